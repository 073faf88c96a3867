//go:build !failpoint

package groupcommit

// alwaysEager is false in every program that is released.
func alwaysEager() bool { return false }
