package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/test/hold/beside"
)

// template is a real order of which copies are made.
type template struct {
	provider messages.Provider
	begun    time.Time // of its first event
	events   []copied
	timer    nats.Header // of the message that will become a check; nil for none
}

// copied is one event of it.
type copied struct {
	typ     messages.Type
	n       uint64
	at      time.Duration // after the first
	headers nats.Header
	body    []piece
}

// piece is a part of a body: what stands in each copy, and what follows it.
type piece struct {
	text []byte
	then what
	at   time.Duration // for a moment: after the first event
}

// what of a copy is its own.
type what uint8

const (
	nothing   what = iota // the end of the body
	ownID                 // the order's id
	reference             // our key for it at the shop
	moment                // a time
)

// moments finds times as events write them.
var moments = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)

// learn reads an order that has gone through the pipeline.
func learn(ctx context.Context, s *beside.System, l *ledger.Ledger, namespace, id string) (*template, error) {
	entries, err := l.History(ctx, beside.Tenant, id)
	if err != nil {
		return nil, err
	}
	first := entries[0].Event
	t := &template{provider: first.Provider, begun: first.Time}
	key := messages.Reference(namespace, beside.Tenant, id, 1)
	stream, err := s.JS.Stream(ctx, messages.StreamEvents)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		m, err := stream.GetMsg(ctx, e.Seq)
		if err != nil {
			return nil, err
		}
		c := copied{typ: e.Event.Type, n: e.Event.N, at: e.Event.Time.Sub(first.Time), headers: own(m.Header)}
		if c.body, err = t.cut(m.Data, id, key); err != nil {
			return nil, fmt.Errorf("event %d of %s: %w", c.n, id, err)
		}
		t.events = append(t.events, c)
	}
	return t, nil
}

// own are the headers that say something of the event, and not of how this
// one was brought into the stream.
func own(all nats.Header) nats.Header {
	kept := nats.Header{}
	for k, v := range all {
		if !strings.HasPrefix(k, "Nats-Batch-") && k != jetstream.MsgIDHeader {
			kept[k] = slices.Clone(v)
		}
	}
	return kept
}

// cut finds what a copy has of its own.
func (t *template) cut(body []byte, id, key string) ([]piece, error) {
	var pieces []piece
	from := 0
	add := func(to, end int, then what, at time.Duration) {
		pieces = append(pieces, piece{bytes.Clone(body[from:to]), then, at})
		from = end
	}
	for from < len(body) {
		i, end, then := next(body, from, id, key)
		if then == moment {
			at, err := time.Parse(`"`+time.RFC3339Nano+`"`, string(body[i:end]))
			if err != nil {
				return nil, err
			}
			add(i, end, then, at.Sub(t.begun))
			continue
		}
		add(i, end, then, 0)
	}
	if pieces[len(pieces)-1].then != nothing {
		add(len(body), len(body), nothing, 0)
	}
	if !slices.ContainsFunc(pieces, func(p piece) bool { return p.then == ownID }) {
		return nil, errors.New("does not tell its order's id")
	}
	return pieces, nil
}

// next finds the first thing from there on that is the copy's own.
func next(body []byte, from int, id, key string) (at, end int, then what) {
	at, end, then = len(body), len(body), nothing
	rest := body[from:]
	if i := bytes.Index(rest, []byte(id)); i >= 0 && from+i < at {
		at, end, then = from+i, from+i+len(id), ownID
	}
	if i := bytes.Index(rest, []byte(key)); i >= 0 && from+i < at {
		at, end, then = from+i, from+i+len(key), reference
	}
	if i := moments.FindIndex(rest); i != nil && from+i[0] < at {
		at, end, then = from+i[0], from+i[1], moment
	}
	return at, end, then
}

// write makes the body of a copy.
func (c *copied) write(id, key string, begun time.Time) []byte {
	var b []byte
	for _, p := range c.body {
		b = append(b, p.text...)
		switch p.then {
		case ownID:
			b = append(b, id...)
		case reference:
			b = append(b, key...)
		case moment:
			b = append(b, '"')
			b = messages.Stamp(begun.Add(p.at)).AppendFormat(b, time.RFC3339Nano)
			b = append(b, '"')
		case nothing:
		}
	}
	return b
}

// learnAll submits an order of each kind and waits for the events that its copies
// shall have, and for the timer of the one on hold.
func learnAll(ctx context.Context, r *rig, s *beside.System) (ended, held *template, err error) {
	namespace, err := topology.Namespace(ctx, s.JS)
	if err != nil {
		return nil, nil, err
	}
	l, err := ledger.Open(ctx, s.NC, s.JS, ledger.Options{})
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if _, err := r.burst(ctx, s, []string{"ended-template"}); err != nil {
		return nil, nil, err
	}
	if ended, err = learn(ctx, s, l, namespace, "ended-template"); err != nil {
		return nil, nil, err
	}
	if err := r.hold(ctx, s, "held--template"); err != nil {
		return nil, nil, err
	}
	if held, err = learn(ctx, s, l, namespace, "held--template"); err != nil {
		return nil, nil, err
	}
	held.timer, err = timerOf(ctx, s, held.provider, "held--template")
	return ended, held, err
}

// timerOf waits for the order's timer: between two looks at the shop it has none.
func timerOf(ctx context.Context, s *beside.System, p messages.Provider, id string) (nats.Header, error) {
	stream, err := s.JS.Stream(ctx, messages.StreamCommands)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(beside.Patience); ; beside.Pause(ctx, 20*time.Millisecond) {
		m, err := stream.GetLastMsgForSubject(ctx, messages.ScheduleSubject(p, beside.Tenant, id))
		switch {
		case err == nil && json.Valid(m.Data):
			return own(m.Header), nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case time.Now().After(deadline):
			return nil, fmt.Errorf("order %s has no timer: %w", id, err)
		}
	}
}
