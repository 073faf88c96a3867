package app

import (
	"cmp"
	"runtime/debug"
)

// Filled by -ldflags "-X …/internal/app.version=…" where the build leaves no
// version control stamp, as -buildvcs=false does.
var version, commit string

// Version says what was built, from what, and with what.
type Version struct {
	Version, Commit, Go string
	Modified            bool // the tree had changes that are in no commit
}

// ReadVersion reads the version that the build left in the program.
func ReadVersion() Version {
	v := Version{Version: version, Commit: commit}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v.known()
	}
	v.Go = info.GoVersion
	v.Version = cmp.Or(v.Version, info.Main.Version)
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = cmp.Or(v.Commit, s.Value)
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v.known()
}

func (v Version) known() Version {
	v.Version = cmp.Or(v.Version, "(devel)")
	v.Commit = cmp.Or(v.Commit, "unknown")
	return v
}

// String renders "v1.0.0 (commit 0123abc, modified, go1.26)".
func (v Version) String() string {
	s := v.Version + " (commit " + v.Commit
	if v.Modified {
		s += ", modified"
	}
	return s + ", " + v.Go + ")"
}
