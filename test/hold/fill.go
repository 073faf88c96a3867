package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
	"github.com/beltline-io/beltline/test/hold/beside"
)

const (
	// callers is from how many addresses the shop calls back. The door takes 50
	// calls each second from one address, and a shop has many servers.
	callers = 64
	// ahead is how many orders may be on their way at once: enough to keep the
	// pipeline busy, too few for callbacks to be refused.
	ahead = 1000
	// publishers is how many submit at once.
	publishers = 32
	// again is the pause of a caller that was refused.
	again = 100 * time.Millisecond
	// stuck is how long nothing moves before the orders that are missing are
	// taken for put off, and others are submitted in their stead.
	stuck = 20 * time.Second
)

// filling puts orders on hold: it submits them, has each customer give skins
// that are held as soon as there is a page to give them on, and calls back.
type filling struct {
	*beside.System
	ids   chan string   // of orders to submit
	paid  chan string   // references whose customers have paid
	slots chan struct{} // orders on their way
	// How far the orders are, by what this program has seen of them.
	submitted, opened, called, held atomic.Int64

	mu    sync.Mutex
	known map[string]bool // orders on hold: an event may come twice
	done  chan struct{}
	n     int
	err   chan error
	ended <-chan struct{} // nobody waits for the rest
}

// fill returns when n orders are on hold, with the time it took. Orders that a
// slow machine has put off are counted beside them: polling is out of the way,
// so they come too late to be waited for.
func fill(ctx context.Context, s *beside.System, n int) (took time.Duration, putOff int, err error) {
	if n == 0 {
		return 0, 0, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := &filling{
		System: s, n: n, ids: make(chan string), paid: make(chan string, ahead), slots: make(chan struct{}, ahead),
		known: make(map[string]bool, n), done: make(chan struct{}), err: make(chan error, 1), ended: ctx.Done(),
	}
	stop, err := s.Follow(ctx, jetstream.DeliverNewPolicy, f.take, messages.ActionRequired, messages.OnHold)
	if err != nil {
		return 0, 0, err
	}
	defer stop()
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	for i := range callers {
		group.Go(func() { f.call(ctx, i) })
	}
	for range publishers {
		group.Go(func() { f.submitAll(ctx) })
	}
	begun := time.Now()
	group.Go(func() { f.order(ctx, 0, n) })
	err = f.watch(ctx, &group)
	return time.Since(begun), int(f.submitted.Load()) - n, err
}

// order has count more orders submitted, from that number on.
func (f *filling) order(ctx context.Context, from, count int) {
	for i := range count {
		select {
		case f.ids <- "hold-" + strconv.Itoa(from+i):
		case <-ctx.Done():
			return
		}
	}
}

func (f *filling) submitAll(ctx context.Context) {
	for {
		select {
		case f.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		select {
		case id := <-f.ids:
			if err := f.Submit(ctx, id); err != nil && ctx.Err() == nil {
				f.fail(err)
			}
			f.submitted.Add(1)
		case <-ctx.Done():
			return
		}
	}
}

// watch shows how it goes until it is done, or nothing moves any more.
func (f *filling) watch(ctx context.Context, group *sync.WaitGroup) error {
	progress := time.NewTicker(5 * time.Second)
	defer progress.Stop()
	last, moved, rounds := int64(0), time.Now(), 0
	for {
		select {
		case <-f.done:
			return nil
		case err := <-f.err:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-progress.C:
		}
		held := f.held.Load()
		say("  %d of %d on hold", held, f.n)
		if held != last {
			last, moved = held, time.Now()
		}
		if time.Since(moved) < stuck {
			continue
		}
		missing := f.n - int(held)
		if rounds++; rounds > 10 || missing > max(f.n/10, ahead) {
			return fmt.Errorf("of %d orders %d were submitted, %d opened, %d called back for and %d on hold; %s\n%s",
				f.n, f.submitted.Load(), f.opened.Load(), f.called.Load(), held, queues(ctx, f.System), f.Worker.Tail())
		}
		say("  %d orders were put off; others are submitted in their stead", missing)
		for range missing {
			f.leave()
		}
		from := int(f.submitted.Load())
		group.Go(func() { f.order(ctx, from, missing) })
		moved = time.Now()
	}
}

// leave ends the way of one order.
func (f *filling) leave() {
	select {
	case <-f.slots:
	default: // one that was put off comes after all
	}
}

// queues tells what waits where, for whoever must find out why it does.
func queues(ctx context.Context, s *beside.System) string {
	var told []string
	for stream, names := range map[string][]string{
		messages.StreamOrders: {"dispatcher"}, messages.StreamCommands: {messages.SkinsBack.PlaceConsumer(), messages.SkinsBack.FollowConsumer()},
	} {
		for _, name := range names {
			c, err := s.JS.Consumer(ctx, stream, name)
			if err != nil {
				told = append(told, name+": "+err.Error())
				continue
			}
			i := c.CachedInfo()
			told = append(told, fmt.Sprintf("%s: %d pending, %d in hand, %d redelivered, %d pulls",
				name, i.NumPending, i.NumAckPending, i.NumRedelivered, i.NumWaiting))
		}
	}
	return strings.Join(told, "; ")
}

func (f *filling) fail(err error) {
	select {
	case f.err <- err:
	default: // the first one counts
	}
}

// take reads an event of an order.
func (f *filling) take(m jetstream.Msg) {
	a, err := messages.ParseEventSubject(m.Subject())
	if err != nil || !strings.HasPrefix(a.OrderID, "hold-") {
		return
	}
	if a.Type == messages.ActionRequired {
		f.opened.Add(1)
		select {
		case f.paid <- beside.ReferenceOf(m):
		case <-f.ended:
		}
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known[a.OrderID] {
		return
	}
	f.known[a.OrderID] = true
	f.leave()
	if f.held.Add(1) == int64(f.n) {
		close(f.done)
	}
}

// call is one of the shop's servers: it tells the worker what customers did.
func (f *filling) call(ctx context.Context, number int) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(number+1))}}
	caller := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}, Timeout: 30 * time.Second}
	defer caller.CloseIdleConnections()
	for {
		select {
		case <-ctx.Done():
			return
		case reference := <-f.paid:
			err := f.Shop.Hold(reference, "20.05")
			if err == nil {
				err = f.callBack(ctx, caller, reference)
			}
			if err != nil && ctx.Err() == nil {
				f.fail(err)
			}
			f.called.Add(1)
		}
	}
}

// callBack repeats until the call was taken, as a shop that cares does.
func (f *filling) callBack(ctx context.Context, caller *http.Client, reference string) error {
	hook, err := f.Shop.Webhook(reference)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(beside.Patience); ; {
		status, err := post(ctx, caller, hook)
		switch {
		case err == nil && status == http.StatusOK:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return fmt.Errorf("the callback was not taken: status %d, %w", status, err)
		}
		beside.Pause(ctx, again)
	}
}

func post(ctx context.Context, caller *http.Client, hook skinsbacktest.Webhook) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader([]byte(hook.Body)))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", hook.ContentType)
	resp, err := caller.Do(req)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Body.Close()
}
