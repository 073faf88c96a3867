package orders

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/beltline-io/beltline/internal/service"
	"github.com/beltline-io/beltline/pkg/messages"
)

// What is left out of all events but the last where a history is longer than an
// answer may be, one after the other. An order that waited for hours has hundreds
// of events, and each of them says again what the order was.
const (
	shortOrder = "order, metadata"
	shortTold  = shortOrder + ", evidence.http that was told before"
	shortHTTP  = shortOrder + ", evidence.http"
)

// History answers with all events of the order.
func (r *Reader) History(ctx context.Context, tenant, id string) (service.Answer, error) {
	entries, err := r.ledger.History(ctx, tenant, id)
	if err != nil {
		return service.Answer{}, err
	}
	all := make([]*messages.Event, len(entries))
	for i := range entries {
		all[i] = entries[i].Event
	}
	answer := service.Answer{Instead: instead(tenant, id)}
	for _, answer.Shortened = range []string{"", shortOrder, shortTold, shortHTTP} {
		body, err := service.Marshal(shortened(all, answer.Shortened))
		if err != nil {
			return service.Answer{}, err
		}
		if answer.Body = json.RawMessage(body); len(body) <= service.Room(r.nc) {
			break
		}
	}
	return answer, nil
}

// shortened returns the events without what is to be left out of all but the last.
func shortened(all []*messages.Event, what string) []*messages.Event {
	if what == "" || len(all) == 0 {
		return all
	}
	out := make([]*messages.Event, len(all))
	var before []any
	for i, e := range all {
		if i == len(all)-1 {
			out[i] = e
			break
		}
		short := *e
		short.Order, short.Metadata = nil, nil
		told, _ := e.Evidence[messages.EvidenceHTTP].([]any)
		switch {
		case told == nil || what == shortOrder:
		case what == shortHTTP:
			short.Evidence = withHTTP(e.Evidence, nil)
		default:
			short.Evidence = withHTTP(e.Evidence, news(told, before))
		}
		out[i], before = &short, told
	}
	return out
}

// withHTTP returns the evidence with other records of requests, or without any.
func withHTTP(evidence map[string]any, records []any) map[string]any {
	out := maps.Clone(evidence)
	if delete(out, messages.EvidenceHTTP); len(records) > 0 {
		out[messages.EvidenceHTTP] = records
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// news are the records that the event before did not carry.
func news(told, before []any) (fresh []any) {
	for _, record := range told {
		if !slices.ContainsFunc(before, func(old any) bool { return reflect.DeepEqual(record, old) }) {
			fresh = append(fresh, record)
		}
	}
	return fresh
}
