package procs

import "syscall"

// attributes make the kernel end a child when this process ends in any way:
// nothing of ours runs any more after a panic or a kill.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
