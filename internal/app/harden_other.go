//go:build !unix

package app

import "runtime/debug"

// harden keeps what the process knows from being left behind by its death, as
// far as there is anything of the kind here.
func harden() { debug.SetTraceback("single") }
