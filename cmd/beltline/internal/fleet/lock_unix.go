//go:build unix

package fleet

import (
	"os"
	"syscall"
)

// exclusive takes the file for this process alone, or fails at once.
func exclusive(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) //nolint:gosec // a file descriptor fits
}
