package check

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// hooks is I7: a forged callback is refused at the door, and a genuine one is
// never taken for forged. That neither changes what is true is held by I2b.
func hooks(v *view, say tell) int {
	for _, h := range v.Hooks {
		refused := h.Code == http.StatusUnauthorized || h.Code == http.StatusNotFound
		switch {
		case h.Forged && h.Code/100 == 2:
			say("", "a forged callback of %s was taken: HTTP %d", h.Provider, h.Code)
		case !h.Forged && refused:
			say("", "a genuine callback of %s was refused: HTTP %d", h.Provider, h.Code)
		}
	}
	return len(v.Hooks)
}

// dying are words that a sound process never prints.
var dying = []string{`"panic"`, "panic: ", "DATA RACE", "fatal error: "}

// bounded is I11: no process grows beyond its limits, and none panics.
func bounded(v *view, say tell) int {
	rss, fds := map[string]int64{}, map[string]int{}
	for _, s := range v.Samples {
		rss[s.Process], fds[s.Process] = max(rss[s.Process], s.RSS), max(fds[s.Process], s.FDs)
	}
	for _, process := range slices.Sorted(maps.Keys(rss)) {
		if v.Limits.RSS > 0 && rss[process] > v.Limits.RSS {
			say("", "%s took %d MiB of memory", process, rss[process]>>20)
		}
		if v.Limits.FDs > 0 && fds[process] > v.Limits.FDs {
			say("", "%s had %d files open", process, fds[process])
		}
	}
	for _, process := range slices.Sorted(maps.Keys(v.Logs)) {
		for _, word := range dying {
			if at := strings.Index(v.Logs[process], word); at >= 0 {
				say("", "%s printed %q: %.300s", process, word, v.Logs[process][at:])
			}
		}
	}
	return len(v.Samples) + len(v.Logs)
}
