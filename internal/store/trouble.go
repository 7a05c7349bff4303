package store

import "time"

// repeatEvery is how often a problem that goes on is logged again.
const repeatEvery = time.Minute

// trouble is what a loop has logged last: it meets the same again and again.
type trouble struct {
	text string
	at   time.Time
}

// logs tells whether to log an error: it is another one, or the last was a while ago.
func (t *trouble) logs(err error) bool {
	if text := err.Error(); text != t.text || time.Since(t.at) >= repeatEvery {
		t.text, t.at = text, time.Now()
		return true
	}
	return false
}
