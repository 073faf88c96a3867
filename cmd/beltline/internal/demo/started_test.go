package demo_test

import (
	"testing"

	"github.com/beltline-io/beltline/cmd/beltline/internal/demo"
)

func TestCommand_IsWhatThePersonHasTyped(t *testing.T) {
	t.Parallel()
	const run = "go run ./cmd/beltline"
	for arg0, want := range map[string]string{
		"beltline": "beltline", "./bin/beltline": "./bin/beltline", "/opt/go-builders/beltline": "/opt/go-builders/beltline",
		"/tmp/go-build1908238847/b001/exe/beltline":                                                          run,
		"/var/cache/go-build/a7/a75d723a53c889e35a33c8524f00f55fd360dffd96c4420a04ee5a3526e7c342-d/beltline": run,
		"/elsewhere/a7/a75d723a53c889e35a33c8524f00f55fd360dffd96c4420a04ee5a3526e7c342-d/beltline":          run,
		`C:\Users\ann\AppData\Local\Temp\go-build190823\b001\exe\beltline.exe`:                               run,
	} {
		if got := demo.Command(arg0); got != want {
			t.Errorf("%s: got %s", arg0, got)
		}
	}
}
