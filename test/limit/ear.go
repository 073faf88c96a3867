package main

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ear hears every message that workers send for the sake of permits, as any
// other client of the server may, and every permit that the server grants.
type ear struct {
	mu     sync.Mutex
	asked  []time.Time
	grants []grant
	subs   []*nats.Subscription
}

type grant struct {
	at      time.Time
	by, use string
}

func (s *system) listen() (*ear, error) {
	e := &ear{}
	counts := func(*nats.Msg) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.asked = append(e.asked, time.Now())
	}
	granted := func(m *nats.Msg) {
		if m.Header.Get(jetstream.SequenceHeader) == "" {
			counts(m) // a worker says that it waits
			return
		}
		var note struct{ By, Use string }
		_ = json.Unmarshal(m.Data, &note) // one that cannot be read is nobody's
		e.mu.Lock()
		defer e.mu.Unlock()
		e.grants = append(e.grants, grant{time.Now(), note.By, note.Use})
	}
	for subject, hear := range map[string]nats.MsgHandler{
		s.provider.PermitSubject():                         counts,
		"$JS.API.STREAM.INFO." + s.provider.PermitStream(): counts,
		s.provider.TurnSubject():                           granted,
	} {
		sub, err := s.nc.Subscribe(subject, hear)
		if err != nil {
			return nil, err
		}
		if err := sub.SetPendingLimits(-1, -1); err != nil {
			return nil, err
		}
		e.subs = append(e.subs, sub)
	}
	return e, s.nc.FlushTimeout(patience)
}

func (e *ear) stop() {
	for _, sub := range e.subs {
		_ = sub.Unsubscribe()
	}
}

// heard is what happened between two times.
type heard struct {
	asked, granted, checks int
	by                     map[string]int
}

func (e *ear) between(from, to time.Time) heard {
	e.mu.Lock()
	defer e.mu.Unlock()
	within := func(t time.Time) bool { return !t.Before(from) && t.Before(to) }
	h := heard{by: map[string]int{}}
	for _, t := range e.asked {
		if within(t) {
			h.asked++
		}
	}
	for _, g := range e.grants {
		if !within(g.at) {
			continue
		}
		h.granted++
		h.by[g.by]++
		if g.use == "check" {
			h.checks++
		}
	}
	return h
}
