package vitals

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/beltline-io/beltline/internal/service"
	"github.com/beltline-io/beltline/pkg/messages"
)

// How long replicas are waited for that nobody can count: until so long after
// the last one that answered, or until none has answered for so long.
const (
	quietFor = 300 * time.Millisecond
	firstFor = 3 * time.Second
)

// Replica is a worker that serves a provider's questions, and so its orders.
type Replica struct {
	ID       string    `json:"id"`
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Requests int       `json:"requests"` // questions that it was asked
	Errors   int       `json:"errors"`   // of its own, or of the provider's
	// LastError is the last of them, with its method and time.
	LastError   string     `json:"last_error,omitempty"`
	LastErrorAt *time.Time `json:"last_error_at,omitempty"`
}

// replicas asks all workers of a provider how they are. None at all is no error.
func replicas(ctx context.Context, nc *nats.Conn, p messages.Provider) ([]Replica, error) {
	subject, err := micro.ControlSubject(micro.StatsVerb, p.Service(), "")
	if err != nil {
		return nil, err
	}
	inbox := nc.NewRespInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answers.Unsubscribe() }()
	if err := nc.PublishRequest(subject, inbox, nil); err != nil {
		return nil, err
	}
	all := []Replica{}
	for wait := firstFor; ; wait = quietFor {
		timed, cancel := context.WithTimeout(ctx, wait)
		m, err := answers.NextMsgWithContext(timed)
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded) && len(all) == 0:
			return nil, errors.New("workers are there, and none answers")
		case errors.Is(err, nats.ErrNoResponders), errors.Is(err, context.DeadlineExceeded):
			slices.SortFunc(all, func(a, b Replica) int { return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID)) })
			return all, nil
		case err != nil:
			return nil, err
		}
		r, err := replicaOf(m)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
}

func replicaOf(m *nats.Msg) (Replica, error) {
	var stats micro.Stats
	if err := json.Unmarshal(m.Data, &stats); err != nil {
		return Replica{}, fmt.Errorf("a worker's answer cannot be read: %w", err)
	}
	r := Replica{ID: stats.ID, Version: stats.Version, Started: stats.Started}
	for _, e := range stats.Endpoints {
		r.Requests += e.NumRequests
		var tally service.Tally
		if json.Unmarshal(e.Data, &tally) != nil {
			continue // of an older worker, which counts none
		}
		r.Errors += tally.Errors
		if at := tally.LastErrorAt; at != nil && (r.LastErrorAt == nil || at.After(*r.LastErrorAt)) {
			r.LastErrorAt, r.LastError = at, e.Name+": "+tally.LastError
		}
	}
	return r, nil
}
