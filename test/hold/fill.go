package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

const (
	// callers is from how many addresses the shop calls back. The door takes 50
	// calls each second from one address, and a shop has many servers.
	callers = 64
	// ahead is how many orders may be on their way at once: enough to keep the
	// pipeline busy, too few for callbacks to be refused.
	ahead = 1000
	// again is the pause of a caller that was refused.
	again = 100 * time.Millisecond
)

// filling puts orders on hold: it submits them, has each customer give skins
// that are held as soon as there is a page to give them on, and calls back.
type filling struct {
	*system
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

// fill returns when n orders are on hold, with the time it took.
func (s *system) fill(ctx context.Context, n int) (time.Duration, error) {
	if n == 0 {
		return 0, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := &filling{
		system: s, n: n, paid: make(chan string, ahead), slots: make(chan struct{}, ahead),
		known: make(map[string]bool, n), done: make(chan struct{}), err: make(chan error, 1), ended: ctx.Done(),
	}
	stop, err := s.follow(ctx, jetstream.DeliverNewPolicy, f.take, messages.ActionRequired, messages.OnHold)
	if err != nil {
		return 0, err
	}
	defer stop()
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	begun := time.Now()
	for i := range callers {
		group.Go(func() { f.call(ctx, i) })
	}
	for i := range 32 {
		group.Go(func() {
			for number := i; number < n; number += 32 {
				select {
				case f.slots <- struct{}{}:
				case <-ctx.Done():
					return
				}
				if err := s.submit(ctx, "hold-"+strconv.Itoa(number)); err != nil {
					f.fail(err)
				}
				f.submitted.Add(1)
			}
		})
	}
	return f.watch(ctx, begun)
}

// watch shows how it goes until it is done, or nothing moves any more.
func (f *filling) watch(ctx context.Context, begun time.Time) (time.Duration, error) {
	progress := time.NewTicker(5 * time.Second)
	defer progress.Stop()
	last, moved := int64(0), time.Now()
	for {
		select {
		case <-f.done:
			took := time.Since(begun)
			fmt.Fprintf(os.Stderr, "  %d on hold in %s\n", f.n, took.Round(time.Second))
			return took, nil
		case err := <-f.err:
			return 0, err
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-progress.C:
			held := f.held.Load()
			fmt.Fprintf(os.Stderr, "  %d of %d on hold\n", held, f.n)
			if held != last {
				last, moved = held, time.Now()
			}
			if time.Since(moved) > patience {
				return 0, fmt.Errorf("of %d orders %d were submitted, %d opened, %d called back for and %d on hold; %s\n%s",
					f.n, f.submitted.Load(), f.opened.Load(), f.called.Load(), held, f.queues(ctx), f.worker.tail())
			}
		}
	}
}

// queues tells what waits where, for whoever must find out why it does.
func (s *system) queues(ctx context.Context) string {
	var told []string
	for stream, names := range map[string][]string{
		messages.StreamOrders: {"dispatcher"}, messages.StreamCommands: {messages.SkinsBack.PlaceConsumer(), messages.SkinsBack.FollowConsumer()},
	} {
		for _, name := range names {
			c, err := s.js.Consumer(ctx, stream, name)
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
		case f.paid <- referenceOf(m):
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
	<-f.slots
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
			err := f.shop.Hold(reference, "20.05")
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
	hook, err := f.shop.Webhook(reference)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; {
		status, err := post(ctx, caller, hook)
		switch {
		case err == nil && status == http.StatusOK:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return fmt.Errorf("the callback was not taken: status %d, %w", status, err)
		}
		pause(ctx, again)
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

// pause waits for t, or until ctx ends.
func pause(ctx context.Context, t time.Duration) {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
