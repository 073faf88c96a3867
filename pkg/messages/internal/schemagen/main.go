// Command schemagen writes the JSON Schemas of pkg/messages into a folder. It
// is run by go generate, writes nothing else and is imported by nobody.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/beltline-io/beltline/pkg/messages"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: schemagen <folder>")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(folder string) error {
	// #nosec G301 -- documentation is for everybody
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, body := range messages.Schemas() {
		// #nosec G306 -- documentation is for everybody
		if err := os.WriteFile(filepath.Join(folder, name), body, 0o644); err != nil {
			return err
		}
	}
	return nil
}
