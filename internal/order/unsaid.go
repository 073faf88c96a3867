package order

import (
	"slices"
	"strings"

	"github.com/beltline-io/beltline/pkg/messages"
)

// An owner that was only slow comes back after its lease, finds that it may not
// send any more, and says so. By then its request may have been repeated, and
// the repeat may have been held back too. Without a list of whose word is
// missing such an order would be in doubt for requests that were never made.

// maxUnsaid bounds the list. Beyond it the doubt is for others to settle.
const maxUnsaid = 16

// unsaid is the list of the attempt that follows w: of those before it.
func unsaid(w *messages.Work, in Input) string {
	switch {
	case in != Repeat: // nothing before it is in doubt
		return ""
	case w.Unheard:
		return w.Nonce
	case w.Unsaid == "" || w.Answered:
		return w.Unsaid
	case strings.Count(w.Unsaid, " ")+1 >= maxUnsaid:
		return ""
	default:
		return w.Unsaid + " " + w.Nonce
	}
}

// lift takes an attempt off the list whose owner says that nothing was done.
func lift(e, last *messages.Event, nonce string) {
	list := strings.Fields(work(last).Unsaid)
	at := slices.Index(list, nonce)
	if at < 0 {
		return
	}
	e.Work.Unsaid = strings.Join(slices.Delete(list, at, at+1), " ")
	switch {
	case e.Work.Unsaid != "":
	case last.State == placing:
		certain(e) // the attempt under way is as good as the first
	case last.State == unresolved:
		e.Work.Unheard = true // only the last attempt is in doubt, and its owner may still speak
	}
}
