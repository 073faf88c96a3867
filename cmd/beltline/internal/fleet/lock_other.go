//go:build !unix

package fleet

import "os"

// exclusive does nothing where the system has no such lock; there, whoever
// starts two servers on one store is on their own.
func exclusive(*os.File) error { return nil }
