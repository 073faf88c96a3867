//go:build !mutant

package mutant

// Enabled reports whether this build can be broken.
const Enabled = false

// Is reports whether the named mutant was chosen.
func Is(string) bool { return false }
