package main

import (
	"syscall"
	"unsafe"
)

// noLimits says why the kernel cannot be asked to refuse writes; empty: it can.
func noLimits() string { return "" }

// choke makes the kernel refuse that a process writes beyond some size of a
// file: to the server that is a disk that takes no more.
func choke(pid int, bytes uint64) error {
	limit := syscall.Rlimit{Cur: bytes, Max: ^uint64(0)}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_FSIZE, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
