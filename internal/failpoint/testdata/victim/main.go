// Victim passes two points again and again, and says so, for a test that kills
// it there.
package main

import (
	"fmt"
	"os"

	"github.com/beltline-io/beltline/internal/failpoint"
)

func main() {
	for i := range 3 {
		failpoint.HitOf("ledger.append.before", "placing")
		fmt.Printf("written %d\n", i)
		failpoint.Hit("permit.publish.after")
	}
	_ = os.Stdout.Sync()
	fmt.Println("ended")
}
