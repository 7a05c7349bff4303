package place

import "time"

// Hurry has a place take a transfer that stands still for ended after so long.
func Hurry(p Place, patience time.Duration) { p.(*s3).net.patience = patience }
