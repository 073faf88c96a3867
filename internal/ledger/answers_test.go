package ledger_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/messages"
)

// puppet answers in the place of JetStream, below a prefix of its own, what
// the script says. It is for answers that a real server gives too rarely to
// wait for; that they are read rightly is what these tests show, not that a
// server gives them.
type puppet struct {
	mu     sync.Mutex
	script []string // answers to publishes; the last one stands for all further ones
	reads  []string // answers to reads of the leader, in the same way
	direct *nats.Msg
	copies [][]byte // the publishes that came
	server []natstest.Option
}

const puppetAPI = "PUPPET.API"

const (
	ackAt5     = `{"stream":"EVENTS","seq":5}`
	silence    = ""
	wrongLast  = `{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 9"}}`
	inFlight   = `{"error":{"code":400,"err_code":10164,"description":"wrong last sequence"}}`
	full       = `{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}`
	storeBroke = `{"error":{"code":503,"err_code":10077,"description":"store is closed"}}`
	noStorage  = `{"error":{"code":500,"err_code":10023,"description":"insufficient resources"}}`
	tooLong    = `{"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"}}`
	noLeader   = `{"error":{"code":503,"err_code":10008,"description":"system temporarily unavailable"}}`
	none       = `{"error":{"code":404,"err_code":10037,"description":"no message found"}}`
	garbage    = `<html>`
	unlinked   = `{"message":{"subject":"events.gamesdrop.acme.ord-1.accepted","seq":5,"data":"e30="}}`
	circular   = `{"message":{"subject":"events.gamesdrop.acme.ord-1.accepted","seq":7,"hdrs":"TkFUUy8xLjANCk5hdHMtRXhwZWN0ZWQtTGFzdC1TdWJqZWN0LVNlcXVlbmNlOiA5DQoNCg==","data":"e30="}}`
	misnamed   = `{"message":{"subject":"events.gamesdrop.acme.ord-1.accepted","seq":5,"hdrs":"TkFUUy8xLjANCkE6IGINCg0K","data":"e30="}}`
	ours       = "ours"  // replaced by the event that was published, at sequence 5
	later      = "later" // another event at sequence 5, which follows one at 3
	theirs     = `{"message":{"subject":"events.gamesdrop.acme.ord-1.accepted","seq":5,"hdrs":%q,"data":"e30="}}`
)

// link is the header of an event that was stored after sequence prev.
func link(prev int) string {
	return base64.StdEncoding.EncodeToString(
		fmt.Appendf(nil, "NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: %d\r\n\r\n", prev))
}

// How long an answer of the puppet is waited for: briefly where it says nothing,
// and otherwise long enough for a machine that is slow to answer.
const (
	briefly = 1200 * time.Millisecond
	long    = 20 * time.Second
)

func next(list *[]string) string {
	if len(*list) == 0 {
		return silence
	}
	a := (*list)[0]
	if len(*list) > 1 {
		*list = (*list)[1:]
	}
	return a
}

func (p *puppet) publish(m *nats.Msg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.copies = append(p.copies, m.Data)
	p.answer(m, next(&p.script))
}

func (p *puppet) read(m *nats.Msg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := next(&p.reads)
	switch a {
	case ours:
		body, _ := json.Marshal(p.copies[0])
		a = fmt.Sprintf(`{"message":{"subject":"events.gamesdrop.acme.ord-1.accepted","seq":5,"hdrs":%q,"data":%s}}`, link(0), body)
	case theirs:
		a = fmt.Sprintf(theirs, link(0))
	case later:
		a = fmt.Sprintf(theirs, link(3))
	}
	p.answer(m, a)
}

func (p *puppet) answer(m *nats.Msg, body string) {
	if body != silence {
		_ = m.Respond([]byte(body))
	}
}

func (p *puppet) open(t *testing.T, o ledger.Options) *ledger.Ledger {
	t.Helper()
	nc := natstest.Start(t, p.server...).Conn(t)
	info := func(m *nats.Msg) {
		p.answer(m, `{"config":{"name":"EVENTS"},"created":"2026-11-21T20:54:01Z","state":{}}`)
	}
	directly := func(m *nats.Msg) { _ = m.RespondMsg(p.direct) }
	for subject, h := range map[string]nats.MsgHandler{
		"events.>":                           p.publish,
		puppetAPI + ".STREAM.INFO.EVENTS":    info,
		puppetAPI + ".STREAM.MSG.GET.EVENTS": p.read,
		puppetAPI + ".DIRECT.GET.EVENTS":     directly,
	} {
		if _, err := nc.Subscribe(subject, h); err != nil {
			t.Fatal(err)
		}
	}
	js, err := jetstream.NewWithAPIPrefix(nc, puppetAPI)
	if err != nil {
		t.Fatal(err)
	}
	o.Timeout, o.FillInterval = long, never
	if slices.Contains(p.script, silence) || slices.Contains(p.reads, silence) || len(p.script) == 0 {
		o.Timeout = briefly
	}
	return openOn(t, nc, js, o)
}

func TestAppend_ReadsEveryAnswerForWhatItProves(t *testing.T) {
	t.Parallel()
	type answers = []string
	cases := map[string]struct {
		publishes, reads answers
		want             error // nil: stored at 5
		copies           int   // how many were sent, where it is fixed
	}{
		"stored":                                     {answers{ackAt5}, nil, nil, 1},
		"in flight, then stored":                     {answers{inFlight, ackAt5}, answers{none}, nil, 2},
		"in flight was ours":                         {answers{inFlight}, answers{none, ours}, nil, 2},
		"in flight was theirs":                       {answers{inFlight}, answers{theirs}, ledger.ErrConflict, 1},
		"refused, was ours":                          {answers{wrongLast}, answers{ours}, nil, 1},
		"refused, was theirs":                        {answers{wrongLast}, answers{theirs}, ledger.ErrConflict, 1},
		"refused, ours is one step back":             {answers{wrongLast}, answers{later, ours}, nil, 1},
		"refused, theirs is one step back":           {answers{wrongLast}, answers{later, theirs}, ledger.ErrConflict, 1},
		"refused, the step back is lost":             {answers{wrongLast}, answers{later, none, later, ours}, nil, 2},
		"refused, nothing there, and it stays so":    {answers{wrongLast}, answers{none}, ledger.ErrConflict, 0},
		"refused, nothing there at first, ours":      {answers{wrongLast}, answers{none, ours}, nil, 2},
		"refused, but what is there has no link":     {answers{wrongLast}, answers{unlinked}, ledger.ErrUnknown, 0},
		"refused, but what is there links to itself": {answers{wrongLast}, answers{circular}, ledger.ErrUnknown, 0},
		"refused, but its link is no number":         {answers{wrongLast}, answers{misnamed}, ledger.ErrUnknown, 0},
		"refused, leader gone, theirs":               {answers{wrongLast}, answers{noLeader, silence, theirs}, ledger.ErrConflict, 3},
		"silence, then refused, ours at last":        {answers{silence, wrongLast}, answers{none, none, none, ours}, nil, 4},
		"silence, stored all the same":               {answers{silence}, answers{ours}, nil, 1},
		"silence, not stored, repeated":              {answers{silence, ackAt5}, answers{none}, nil, 2},
		"no leader, then stored":                     {answers{noLeader, ackAt5}, answers{noLeader}, nil, 2},
		"garbage, then stored":                       {answers{garbage, ackAt5}, answers{garbage}, nil, 2},
		"another stream's acknowledgement":           {answers{`{"stream":"OTHER","seq":1}`, ackAt5}, answers{none}, nil, 2},
		"an answer that says nothing":                {answers{`{}`, ackAt5}, answers{`{}`}, nil, 2},
		"full":                                       {answers{full}, answers{none}, ledger.ErrNoRoom, 1},
		"no storage":                                 {answers{noStorage}, answers{none}, ledger.ErrNoRoom, 1},
		"too long":                                   {answers{tooLong}, answers{none}, ledger.ErrInvalid, 1},
		"silence, then full: the first was stored":   {answers{silence, full}, answers{none, ours}, nil, 2},
		"silence, then full: another came first":     {answers{silence, full}, answers{none, theirs}, ledger.ErrConflict, 2},
		"silence, then full: nobody knows":           {answers{silence, full}, answers{none}, ledger.ErrUnknown, 0},
		"silence, then refused: nobody knows":        {answers{silence, wrongLast}, answers{none}, ledger.ErrUnknown, 0},
		"a broken store proves nothing":              {answers{storeBroke}, answers{none}, ledger.ErrUnknown, 0},
		"a broken store, then stored":                {answers{storeBroke, ackAt5}, answers{none}, nil, 2},
		"silence for ever":                           {answers{silence}, answers{silence}, ledger.ErrUnknown, 0},
		"nothing read back proves nothing, forever":  {answers{inFlight}, answers{none}, ledger.ErrUnknown, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &puppet{script: c.publishes, reads: c.reads}
			l := p.open(t, ledger.Options{})
			ctx := within(t)
			if errors.Is(c.want, ledger.ErrUnknown) {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
				defer cancel()
			}
			seq, err := l.Append(ctx, event("ord-1", 1, messages.Accepted, "a"), 0)
			if !errors.Is(err, c.want) {
				t.Fatalf("error is %v, want %v", err, c.want)
			}
			for _, certain := range []error{ledger.ErrNoRoom, ledger.ErrConflict, ledger.ErrInvalid} {
				if !errors.Is(c.want, certain) && errors.Is(err, certain) {
					t.Errorf("told that it will never be stored, which nobody knows: %v", err)
				}
			}
			if c.want == nil && seq != 5 {
				t.Errorf("sequence %d, want 5", seq)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			if c.copies != 0 && len(p.copies) != c.copies {
				t.Errorf("%d copies were sent, want %d", len(p.copies), c.copies)
			}
			for _, other := range p.copies {
				if string(other) != string(p.copies[0]) {
					t.Errorf("copies differ:\n%s\n%s", p.copies[0], other)
				}
			}
		})
	}
}

func TestAppend_ARefusalIsBelievedInDoubtOnlyWhereNoCopyCanBeStoredAnyMore(t *testing.T) {
	t.Parallel()
	p := &puppet{script: []string{silence, wrongLast}, reads: []string{none}}
	l := p.open(t, ledger.Options{})
	_, err := l.Append(within(t), event("ord-1", 2, messages.Placing, "a"), 4)
	if !errors.Is(err, ledger.ErrConflict) {
		t.Errorf("nothing stands at the expected sequence, and nothing ever will: %v", err)
	}
}

func TestAppend_ABodyAboveTheServersPayloadIsRefusedByTheClient(t *testing.T) {
	t.Parallel()
	p := &puppet{script: []string{ackAt5}, server: []natstest.Option{
		natstest.Configure(func(o *server.Options) { o.MaxPayload = 8 << 10 }),
	}}
	l := p.open(t, ledger.Options{})
	e := event("ord-1", 1, messages.Accepted, "")
	e.Evidence = map[string]any{"long": strings.Repeat("x", 8<<10)}
	_, err := l.Append(within(t), e, 0)
	wantErr(t, err, ledger.ErrInvalid)
	wantErr(t, err, nats.ErrMaxPayload)
}

func TestAt_BelievesADirectAnswerOnlyWhenItIsTheRightOne(t *testing.T) {
	t.Parallel()
	body, err := event("ord-1", 1, messages.Accepted, "a").MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	good := map[string]string{
		jetstream.StreamHeader: "EVENTS", jetstream.SequenceHeader: "5",
		jetstream.SubjectHeader: "events.gamesdrop.acme.ord-1.accepted", jetstream.TimeStampHeaer: "2026-11-21T20:54:02Z",
	}
	leader := fmt.Sprintf(`{"message":{"subject":%q,"seq":5,"data":%s,"time":"2026-11-21T20:54:03Z"}}`, good[jetstream.SubjectHeader], data)
	for name, c := range map[string]struct {
		header, value string
		second        int // of the answer that was believed: 2 direct, 3 the leader
	}{
		"right":             {second: 2},
		"behind":            {header: "Status", value: "404", second: 3},
		"another sequence":  {header: jetstream.SequenceHeader, value: "4", second: 3},
		"another stream":    {header: jetstream.StreamHeader, value: "OTHER", second: 3},
		"unreadable time":   {header: jetstream.TimeStampHeaer, value: "now", second: 3},
		"unreadable number": {header: jetstream.SequenceHeader, value: "", second: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := nats.NewMsg("")
			m.Data = body
			for k, v := range good {
				m.Header.Set(k, v)
			}
			if c.header != "" {
				m.Header.Set(c.header, c.value)
			}
			p := &puppet{direct: m, reads: []string{noLeader, leader}}
			e, err := p.open(t, ledger.Options{}).At(within(t), 5)
			if err != nil {
				t.Fatal(err)
			}
			if e.Seq != 5 || e.Stored.Second() != c.second {
				t.Errorf("entry %d stored at %s, want second %d", e.Seq, e.Stored, c.second)
			}
		})
	}
}

func TestOpen_FindsThePrefixOfTheAPI(t *testing.T) {
	t.Parallel()
	nc := natstest.Start(t).Conn(t)
	plain, err1 := jetstream.New(nc)
	prefixed, err2 := jetstream.NewWithAPIPrefix(nc, "JSF.API")
	domain, err3 := jetstream.NewWithDomain(nc, "hub")
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		js             jetstream.JetStream
		override, want string
	}{
		{plain, "", "$JS.API."},
		{prefixed, "", "JSF.API."},
		{domain, "", "$JS.hub.API."},
		{prefixed, "X.API", "X.API."},
		{plain, "X.API.", "X.API."},
	} {
		if got := ledger.APIPrefix(c.js, c.override); got != c.want {
			t.Errorf("prefix %q, want %q", got, c.want)
		}
	}
}
