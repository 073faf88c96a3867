//go:build !failpoint

package failpoint

// Enabled reports whether points do anything in this build.
const Enabled = false

// Hit says that the process is at a point.
func Hit(string) {}

// HitOf is Hit with a detail that tells apart what passes the point.
func HitOf(string, string) {}
