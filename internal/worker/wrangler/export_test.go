package wrangler

// CheckCron tells what is wrong with a cron trigger.
func CheckCron(expression string) error { return checkCron(expression) }
