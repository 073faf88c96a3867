//go:build !linux

package procs

import "syscall"

// attributes are empty where the kernel cannot be asked to end orphans.
func attributes() *syscall.SysProcAttr { return nil }
