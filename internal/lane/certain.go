package lane

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Headers of a message that is no value: the key was deleted, or its time to
// live is over.
const (
	headerOperation = "KV-Operation"
	headerMarker    = "Nats-Marker-Reason"
)

// Certain is Read with the word of the bucket's leader. A replica that is
// behind may answer Read, and knows nothing of a pause that was just stored.
func Certain(ctx context.Context, js jetstream.JetStream, p messages.Provider) (State, uint64, error) {
	s, revision, err := certain(ctx, js, p)
	if err != nil {
		return State{}, 0, fmt.Errorf("lane: %s: %w", p, err)
	}
	return s, revision, nil
}

func certain(ctx context.Context, js jetstream.JetStream, p messages.Provider) (State, uint64, error) {
	body, err := json.Marshal(map[string]string{"last_by_subj": "$KV." + messages.Bucket + "." + p.LaneKey()})
	if err != nil {
		return State{}, 0, err
	}
	answer, err := js.Conn().RequestWithContext(ctx, apiOf(js)+"STREAM.MSG.GET.KV_"+messages.Bucket, body)
	if err != nil {
		return State{}, 0, err
	}
	var got struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Seq    uint64 `json:"seq"`
			Header []byte `json:"hdrs"`
			Data   []byte `json:"data"`
		} `json:"message"`
	}
	err = json.Unmarshal(answer.Data, &got)
	switch {
	case err != nil:
		return State{}, 0, fmt.Errorf("unreadable answer: %w", err)
	case got.Error != nil && got.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return none(), 0, nil
	case got.Error != nil:
		return State{}, 0, got.Error
	case got.Message == nil:
		return State{}, 0, errors.New("answer without a message")
	}
	removed, err := removal(got.Message.Header)
	if err != nil {
		return State{}, 0, err
	}
	if removed {
		return none(), got.Message.Seq, nil
	}
	s, _ := Decode(got.Message.Data) // what cannot be read is closed
	return s, got.Message.Seq, nil
}

// removal reports whether a message only says that there is no key any more.
func removal(header []byte) (bool, error) {
	if len(header) == 0 {
		return false, nil
	}
	h, err := nats.DecodeHeadersMsg(header)
	if err != nil {
		return false, fmt.Errorf("unreadable headers: %w", err)
	}
	return h.Get(headerOperation) != "" || h.Get(headerMarker) != "", nil
}

// apiOf is where JetStream is asked, as the client has been told.
func apiOf(js jetstream.JetStream) string {
	o := js.Options()
	prefix := cmp.Or(o.APIPrefix, jetstream.DefaultAPIPrefix)
	if o.APIPrefix == "" && o.Domain != "" {
		prefix = "$JS." + o.Domain + ".API"
	}
	return strings.TrimSuffix(prefix, ".") + "."
}
