package workerd

import "syscall"

// attributes let the process go when this one does, however it goes, and keep the
// terminal's Ctrl-C from it: requests in flight are to end first.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
