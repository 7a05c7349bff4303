package steady

import "time"

// Told is a time, and when it was told: what goes on from there is moved by no jump of the
// machine's clock. While the machine is suspended it stands, and is behind by so much then,
// until it is told anew.
type Told struct{ Time, At time.Time }

// Tell is a time that is told now.
func Tell(t time.Time) Told { return Told{t.Round(0), time.Now()} }

// Now is the time that it has become.
func (t Told) Now() time.Time { return t.Time.Add(time.Since(t.At)) }
