package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
)

// How far submit waits for an order.
const (
	untilStored   = "none"
	untilAccepted = "accepted"
	untilFinished = "finished"
)

const (
	// askEvery is how often orders are asked about that give no event, because
	// they were known before; askAtOnce is how many of them at a time.
	askEvery  = 500 * time.Millisecond
	askAtOnce = 16
)

// submitCommand is `order submit`.
type submitCommand struct {
	output
	File    string        `arg:"" name:"file" help:"JSON file with one order, or with one a line; - reads standard input."`
	Wait    string        `name:"wait" enum:"accepted,finished,none" default:"finished" help:"How far to wait for each order: accepted, finished or none (stored)."`
	Timeout time.Duration `name:"timeout" default:"5m" help:"How long to wait altogether."`
}

// Help is shown below the flags.
func (*submitCommand) Help() string {
	return "Writes one line for each order as soon as its result is known: id, outcome, cost, meaning (separated by tabs), " +
		"or with --output json its last event. Orders that are refused without an event (the id was used for another order, " +
		"or there is no usable id) are reported with the reason. Submitting the same order again is safe: it is not bought again.\n\n" +
		"Exit codes: 0 all succeeded, 1 at least one did not, 2 wrong usage.\n\n" +
		"Example:\n\n" +
		`  echo '{"v":1,"id":"ord-1","provider":"balancesteam","kind":"topup","params":{"login":"gordon","amount":"500.00"}}' | beltline order submit - --tenant acme`
}

// Check applies the rules of the command.
func (c *submitCommand) Check(f *app.Faults) {
	positive(f, "--timeout", c.Timeout)
	if c.File != "-" && c.File != "" {
		if info, err := os.Stat(c.File); err != nil {
			f.Add("file", "%s", err)
		} else if info.IsDir() {
			f.Add("file", "%s is a directory", c.File)
		}
	}
}

// submission is one order on its way.
type submission struct {
	line int
	body []byte
	id   string // "" where it cannot be read

	seq  uint64 // in ORDERS, once it is stored
	last *messages.Event
	dead *client.DeadLetter
	err  error // it was not stored
	done bool
}

// ours reports whether an event is about this very order, and not about another
// one with the same id.
func (o *submission) ours(e *messages.Event) bool {
	return e.OrderID == o.id && e.SameOrder(o.body)
}

// submitter follows all orders of one run.
type submitter struct {
	*session
	c      *submitCommand
	tenant upstream.Tenant
	news   chan func() // what the loop of run is to take note of
	orders []*submission
	byID   map[string][]*submission
	bySeq  map[uint64]*submission
	dead   map[uint64]client.DeadLetter // that came before we knew the sequence
	open   int
	good   int
	states states
}

func (c *submitCommand) do(ctx context.Context, s *session, tenant upstream.Tenant) int {
	input, err := s.readInput(c.File)
	if err != nil {
		return s.failed(err)
	}
	orders, bad, err := parse(input)
	if err != nil {
		s.say("beltline: %s: %s", c.File, err)
		return app.ExitConfig
	}
	for _, b := range bad {
		s.say("line %d: %s; it was not sent", b.line, b.why)
	}
	u := &submitter{
		session: s, c: c, tenant: tenant, news: make(chan func()), orders: orders, open: len(orders), states: states{},
		byID: map[string][]*submission{}, bySeq: map[uint64]*submission{}, dead: map[uint64]client.DeadLetter{},
	}
	for _, o := range orders {
		if o.id != "" {
			u.byID[o.id] = append(u.byID[o.id], o)
		}
	}
	timed, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	if err := u.run(timed); err != nil {
		return s.failed(err)
	}
	if all := len(orders) + len(bad); all > 1 {
		s.say("%d of %d %s", u.good, all, map[string]string{
			untilStored: "stored", untilAccepted: "accepted", untilFinished: "succeeded",
		}[c.Wait])
	}
	switch {
	case ctx.Err() != nil:
		return app.ExitSignal
	case u.good < len(orders) || len(bad) > 0:
		return app.ExitFailure
	default:
		return app.ExitOK
	}
}

// run sends everything and waits for the results. What is followed begins before
// the first order is sent, so that no event is missed.
func (u *submitter) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if u.c.Wait != untilStored {
		if err := u.follow(ctx); err != nil {
			return err
		}
	}
	unsent := make(chan error, 1)
	go func() { unsent <- u.send(ctx) }()
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for u.open > 0 {
		select {
		case news := <-u.news:
			news()
		case <-ticker.C:
			u.ask(ctx)
		case <-ctx.Done():
			why := "stopped by a signal"
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				why = "no result within " + u.c.Timeout.String()
			}
			u.giveUp(why, <-unsent)
		}
	}
	return nil
}

// note has the loop of run, to which all orders belong, take note. At the end of
// ctx the loop knows better.
func (u *submitter) note(ctx context.Context, news func()) {
	if ctx.Err() != nil {
		return
	}
	select {
	case u.news <- news:
	case <-ctx.Done():
	}
}

// follow begins to tell the loop of events and dead letters.
func (u *submitter) follow(ctx context.Context) error {
	now, err := u.tenant.Now(ctx)
	if err != nil {
		return err
	}
	nowDead, err := u.tenant.NowDead(ctx)
	if err != nil {
		return err
	}
	go func() {
		for e, err := range u.tenant.Watch(ctx, client.Filter{After: now}) {
			switch {
			case err == nil:
				u.note(ctx, func() { u.heard(&e.Event) })
			case e.Seq == 0: // it has ended
				u.note(ctx, func() { u.giveUp(err.Error(), nil) })
			}
		}
	}()
	go func() {
		for d, err := range u.tenant.DeadLetters(ctx, nowDead) {
			u.note(ctx, func() {
				if err != nil {
					u.giveUp(err.Error(), nil)
					return
				}
				u.buried(d)
			})
		}
	}()
	return nil
}

// send stores the orders one after the other. It returns why one was not stored
// before the end of ctx.
func (u *submitter) send(ctx context.Context) error {
	var closed error // no order gets through
	for _, o := range u.orders {
		receipt, err := client.Receipt{}, closed
		if err == nil {
			receipt, err = u.tenant.Forward(ctx, o.body)
		}
		if ctx.Err() != nil {
			return err
		}
		if closed == nil && (errors.Is(err, client.ErrDenied) || errors.Is(err, jetstream.ErrNoStreamResponse)) {
			closed = fmt.Errorf("not tried after this: %w", err)
		}
		u.note(ctx, func() { u.stored(o, receipt.Seq, err) })
	}
	return nil
}

// stored takes note of what send achieved. An event may have come before.
func (u *submitter) stored(o *submission, seq uint64, err error) {
	if o.done {
		return
	}
	if o.seq, o.err = seq, err; o.err != nil {
		u.finish(o)
		return
	}
	u.bySeq[o.seq] = o
	if d, ok := u.dead[o.seq]; ok {
		u.buried(d)
	} else if u.c.Wait == untilStored {
		u.good++
		u.finish(o)
	}
}

// heard takes note of an event of the tenant; most may be of other orders.
func (u *submitter) heard(e *messages.Event) {
	for _, o := range u.byID[e.OrderID] {
		if o.done || !o.ours(e) || o.last != nil && e.N <= o.last.N {
			continue
		}
		o.last = e
		if u.Terminal {
			u.say("%s", u.states.line(plain.Look{Color: u.look.Color}, e))
		}
		u.judge(o)
	}
}

// judge finishes an order that has come as far as it was to be waited for.
func (u *submitter) judge(o *submission) {
	state := o.last.State
	switch {
	case u.c.Wait == untilAccepted:
		if state != messages.Rejected {
			u.good++
		}
	case !plain.Settled(o.last):
		return
	case state == messages.Succeeded:
		u.good++
	}
	u.finish(o)
}

// buried takes note of a dead letter.
func (u *submitter) buried(d client.DeadLetter) {
	o := u.bySeq[d.Request]
	if o == nil {
		u.dead[d.Request] = d
		return
	}
	if !o.done {
		o.dead = &d
		u.finish(o)
	}
}

// ask looks for orders that were known before they were submitted: they give no
// new event, and perhaps ended long ago.
func (u *submitter) ask(ctx context.Context) {
	asked := 0
	for _, o := range u.orders {
		if o.done || o.last != nil || o.seq == 0 || o.id == "" {
			continue
		}
		if asked++; asked > askAtOnce {
			return
		}
		if e, err := u.tenant.Get(ctx, o.id); err == nil {
			u.heard(e)
		}
	}
}

func (u *submitter) finish(o *submission) {
	if !o.done {
		o.done = true
		u.open--
		u.write(o)
	}
}

// giveUp reports what is still open.
func (u *submitter) giveUp(why string, unsent error) {
	for _, o := range u.orders {
		switch {
		case o.done:
			continue
		case o.seq > 0:
			o.err = errors.New(why + "; Beltline goes on working on it")
		case unsent != nil:
			o.err = fmt.Errorf("%s, and it may not have been sent; submit it again (%w)", why, unsent)
		default:
			o.err = errors.New(why + ", and it may not have been sent; submit it again")
		}
		u.finish(o)
	}
}
