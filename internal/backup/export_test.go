package backup

// SetReserve has a backup leave so many bytes of its disk free.
func (c *Config) SetReserve(bytes int64) { c.reserve = bytes }
