package order

import (
	"reflect"
	"slices"

	"github.com/beltline-io/beltline/pkg/messages"
)

// maxRecords bounds the records of requests that an event carries: each event
// after it carries them again. The history has them all.
const maxRecords = 3

// recorded adds the records of the requests that a change rests on. Evidence
// that is in the event before stays as it is: events share it.
func recorded(e *messages.Event, fresh []messages.HTTPRecord) {
	if len(fresh) == 0 {
		return
	}
	list := messages.HTTPRecords(e)
	for _, r := range fresh {
		// The same change may be made of the same answer again, where nobody knew
		// whether it was stored.
		if !slices.ContainsFunc(list, func(known messages.HTTPRecord) bool { return sameRequest(known, r) }) {
			list = append(list, r)
		}
	}
	for len(list) > maxRecords {
		list = slices.Delete(list, lessTelling(list), lessTelling(list)+1)
	}
	e.Evidence = merged(e.Evidence, map[string]any{messages.EvidenceHTTP: list})
}

func sameRequest(a, b messages.HTTPRecord) bool {
	return a.Op == b.Op && a.Attempt == b.Attempt && reflect.DeepEqual(a.SentAt, b.SentAt) && reflect.DeepEqual(a.Request, b.Request)
}

// lessTelling is the record to leave out: the oldest that cannot have bought,
// but not the newest of all, which is what this event is about; else the oldest.
func lessTelling(list []messages.HTTPRecord) int {
	read := slices.IndexFunc(list[:len(list)-1], func(r messages.HTTPRecord) bool { return r.Purpose != messages.PurposeCreate })
	return max(0, read)
}
