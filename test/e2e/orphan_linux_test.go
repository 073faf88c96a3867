package e2e_test

import "syscall"

// attributes make the kernel end a child when this process ends in any way, a
// panic by time-out included: cleanups do not run then.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
