//go:build mutant

package mutant

import (
	"fmt"
	"os"
)

// Enabled reports whether this build can be broken.
const Enabled = true

var chosen = choose()

// choose reads the variable. A mutant that does not exist would be one that
// nobody catches, or worse, one that seems to do no harm.
func choose() string {
	id := os.Getenv("MUTANT")
	if _, known := Of(id); id != "" && !known {
		fmt.Fprintf(os.Stderr, "MUTANT: there is no %q\n", id)
		os.Exit(2)
	}
	return id
}

// Is reports whether the named mutant was chosen.
func Is(id string) bool { return chosen == id }
