package fence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// ledgerNow asks the leader of the stream. Of several nodes others answer too:
// one that knows no leader speaks for itself, however far behind it is, and one
// that was paused or parted from the others takes itself for the leader for a
// while. Neither is evidence.
func ledgerNow(ctx context.Context, js jetstream.JetStream) (Ledger, error) {
	stream, err := js.Stream(ctx, messages.StreamEvents)
	if err != nil {
		return Ledger{}, fmt.Errorf("stream %s: %w", messages.StreamEvents, err)
	}
	i := stream.CachedInfo()
	if err := led(i.Cluster); err != nil {
		return Ledger{}, fmt.Errorf("stream %s: %w", messages.StreamEvents, err)
	}
	return Ledger{
		Created: i.Created, Epoch: i.Config.Metadata[topology.MetaEpoch], LastSeq: i.State.LastSeq, Messages: i.State.Msgs, Gone: gone(i),
	}, nil
}

// lastHeard is how long ago a leader may have heard of a replica that still
// counts for its majority. A replica votes for nobody else within four seconds
// of the leader's last word, so nobody else can have been elected meanwhile.
const lastHeard = 3 * time.Second

// errNotLed: whoever has answered does not lead a majority.
var errNotLed = errors.New("the node that has answered does not lead a majority")

// led reports whether who has answered is the leader, and has just heard of
// enough others to be the only one. A server that stands alone is.
func led(c *jetstream.ClusterInfo) error {
	if c == nil || c.Leader != "" && len(c.Replicas) == 0 {
		return nil
	}
	if c.Leader == "" {
		return fmt.Errorf("%w: it knows no leader", errNotLed)
	}
	heard := 1 // of itself
	for _, p := range c.Replicas {
		if !p.Offline && p.Active <= lastHeard && (p.Active > 0 || p.Current) { // 0 and not current: never heard
			heard++
		}
	}
	if all := len(c.Replicas) + 1; heard <= all/2 {
		return fmt.Errorf("%w: %s has heard %d of %d lately", errNotLed, c.Leader, heard, all)
	}
	return nil
}

// finding is what speaks against the ledger.
type finding struct {
	why  Reason
	text string
	// certain: no server that is only behind can look like that.
	certain bool
	// hearsay: another process has found it, and looks again.
	hearsay bool
}

// judge holds the ledger against a mark; nil where it may be the same one.
func judge(ctx context.Context, js jetstream.JetStream, m *Mark, now Ledger) (*finding, error) {
	switch {
	case m == nil:
		return nil, nil
	case m.Epoch != "" && now.Epoch != "" && m.Epoch != now.Epoch:
		return &finding{why: Another, text: fmt.Sprintf("%s is of epoch %s, remembered is %s: the stream was made anew",
			messages.StreamEvents, now.Epoch, m.Epoch)}, nil
	case !m.Created.IsZero() && !m.Created.Equal(now.Created):
		return &finding{why: Another, text: fmt.Sprintf("%s was created at %s, remembered is %s: it is another stream",
			messages.StreamEvents, now.Created.UTC().Format(time.RFC3339Nano), m.Created.UTC().Format(time.RFC3339Nano))}, nil
	case now.LastSeq < m.Seq:
		return &finding{why: Older, text: fmt.Sprintf("%s ends at sequence %d, remembered is %d: it is an older copy",
			messages.StreamEvents, now.LastSeq, m.Seq)}, nil
	case holed(m, now) != nil:
		return holed(m, now), nil
	case m.Subject == "":
		return nil, nil
	default:
		return rewritten(ctx, js, m)
	}
}

// rewritten looks whether another event stands where one is remembered. A
// ledger that was rolled back and has grown again shows itself by nothing else.
// One that was erased is no sign: orders are forgotten on purpose.
func rewritten(ctx context.Context, js jetstream.JetStream, m *Mark) (*finding, error) {
	subject, at, err := eventAt(ctx, js, m.Seq)
	if errors.Is(err, errNoEvent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if subject == m.Subject && at.Equal(m.Time) {
		return nil, nil
	}
	return &finding{why: Older, certain: true, text: fmt.Sprintf(
		"%s holds at sequence %d an event of %s (%s), remembered is one of %s (%s): it was rolled back and written on",
		messages.StreamEvents, m.Seq, at.Format(time.RFC3339Nano), subject, m.Time.Format(time.RFC3339Nano), m.Subject)}, nil
}

var errNoEvent = errors.New("no event at that sequence")

// eventAt reads subject and time of the event at seq, from the leader: the
// client's own way asks any replica.
func eventAt(ctx context.Context, js jetstream.JetStream, seq uint64) (string, time.Time, error) {
	body, err := json.Marshal(map[string]uint64{"seq": seq})
	if err != nil {
		return "", time.Time{}, err
	}
	answer, err := js.Conn().RequestWithContext(ctx, apiPrefix(js)+"STREAM.MSG.GET."+messages.StreamEvents, body)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("event at %d: %w", seq, err)
	}
	var got struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject string `json:"subject"`
			Data    []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(answer.Data, &got); err != nil {
		return "", time.Time{}, fmt.Errorf("event at %d: unreadable answer: %w", seq, err)
	}
	switch {
	case got.Error != nil && got.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return "", time.Time{}, errNoEvent
	case got.Error != nil:
		return "", time.Time{}, fmt.Errorf("event at %d: %w", seq, got.Error)
	case got.Message == nil:
		return "", time.Time{}, fmt.Errorf("event at %d: answer without a message", seq)
	}
	var event struct {
		Time time.Time `json:"time"`
	}
	_ = json.Unmarshal(got.Message.Data, &event) // what is no event is not the one remembered
	return got.Message.Subject, event.Time, nil
}

func apiPrefix(js jetstream.JetStream) string {
	o, p := js.Options(), jetstream.DefaultAPIPrefix
	switch {
	case o.APIPrefix != "":
		p = o.APIPrefix
	case o.Domain != "":
		p = "$JS." + o.Domain + ".API"
	}
	return strings.TrimSuffix(p, ".") + "."
}
