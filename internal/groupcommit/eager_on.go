//go:build failpoint

package groupcommit

import "os"

// alwaysEager: in a build that can be killed at its failpoints, the variable
// GROUPCOMMIT=eager makes every committer so.
func alwaysEager() bool { return os.Getenv("GROUPCOMMIT") == "eager" }
