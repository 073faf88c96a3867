package demo

import "regexp"

// ofGoRun is where `go run` puts what it runs: a folder of its own, or the cache
// of builds.
var ofGoRun = regexp.MustCompile(`[/\\](go-build\d*|[0-9a-f]{64}-d)[/\\]`)

// command is what a person types to start this program again. Started by
// `go run` it has a name that is gone when it ends.
func command(arg0 string) string {
	if ofGoRun.MatchString(arg0) {
		return "go run ./cmd/beltline"
	}
	return arg0
}
