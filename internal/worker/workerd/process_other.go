//go:build !linux

package workerd

import "syscall"

// attributes keep the terminal's Ctrl-C from the process: requests in flight are to
// end first.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
