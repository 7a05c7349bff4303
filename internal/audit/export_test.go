package audit

// OpenStalled is Open, but nothing is written until start is called.
func OpenStalled(cfg Config) (l *Log, start func(), err error) {
	if l, err = prepare(cfg); err != nil {
		return nil, nil, err
	}
	return l, func() { go l.run() }, nil
}

// MaxQueued is how many entries wait at most.
const MaxQueued = maxQueued
