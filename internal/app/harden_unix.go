//go:build unix

package app

import (
	"runtime/debug"
	"syscall"
)

// harden keeps what the process knows from being left behind by its death. The
// image of its memory holds every credential, and goods codes that were bought
// a moment ago. It is not an error where the system does not allow it: orders
// matter more.
func harden() {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	debug.SetTraceback("single")
}
