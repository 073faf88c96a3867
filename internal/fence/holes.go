package fence

import (
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// MetaErased is the key of the metadata of EVENTS that says how many events were
// erased on purpose in all the time. Whoever erases an order raises it by the
// number of its events before: what is gone beyond it was lost.
const MetaErased = "beltline.erased"

// gone is how many events are missing before the end of the ledger, besides
// those that were erased on purpose. Nothing in EVENTS ages out or is rolled up,
// so that it stays what it is, whatever is written. It is below zero where an
// erasure was announced and not made.
func gone(i *jetstream.StreamInfo) int64 {
	erased, err := strconv.ParseInt(i.Config.Metadata[MetaErased], 10, 64)
	if err != nil {
		erased = 0 // nothing was, or somebody has written what is no number, and is to look again
	}
	return int64(i.State.LastSeq) - int64(i.State.Msgs) - erased //nolint:gosec // counts of messages
}

// holed looks whether more is missing than is remembered. A server gives up what
// it cannot read of a damaged block, up to the begin of the next one: then the
// end of the ledger stands where it was, and an order whose intent was in the
// hole looks as if it had never been placed.
func holed(m *Mark, now Ledger) *finding {
	if m.Gone == nil || now.Gone <= *m.Gone {
		return nil
	}
	return &finding{why: Holed, text: fmt.Sprintf(
		"%s lacks %d events before its end that were there: they were lost, or erased without a word in %s of its metadata",
		messages.StreamEvents, now.Gone-*m.Gone, MetaErased)}
}
