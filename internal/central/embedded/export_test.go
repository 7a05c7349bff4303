package embedded

// Waiting is how many proposals no batch has taken yet.
func (l *Log) Waiting() int { return l.queue.Len() }
