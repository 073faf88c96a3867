package skinsbacktest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Format is how a webhook is written; the document does not say.
type Format int

// The formats.
const (
	Form Format = iota
	JSON
)

// hookTimeout bounds one sending.
const hookTimeout = 5 * time.Second

// Webhook is a notification, ready to be sent as often and as late as a test
// likes.
type Webhook struct {
	URL, OrderID, Status string
	ContentType, Body    string
}

// Delivery is what came of sending a webhook.
type Delivery struct {
	Webhook
	Code int    // the HTTP status of the answer; 0 where there was none
	Err  string // why there was none
}

// Webhook makes the notification of a deposit as it stands now. Sent after the
// next change it is a late one.
func (s *Shop) Webhook(orderID string) (Webhook, error) {
	var w Webhook
	err := s.change(orderID, func(r *record) { w = s.webhook(r) })
	return w, err
}

// Forge makes a notification that says status and bears a signature of somebody
// who does not know the secret.
func (s *Shop) Forge(orderID, status string) (Webhook, error) {
	var w Webhook
	err := s.change(orderID, func(r *record) {
		fake := *r
		fake.Status = status
		w = s.signed(&fake, "not "+s.secret)
	})
	return w, err
}

// Tamper makes the genuine notification of a deposit with its status changed
// and its signature kept.
func (s *Shop) Tamper(orderID, status string) (Webhook, error) {
	w, err := s.Webhook(orderID)
	w.Body = strings.Replace(w.Body, w.Status, status, 1) // the status is the first field
	w.Status = status
	return w, err
}

func (s *Shop) webhook(r *record) Webhook { return s.signed(r, s.secret) }

// signed writes a deposit as a webhook. What is signed is the very text that is
// sent; sums by currency are not signed.
func (s *Shop) signed(r *record, secret string) Webhook {
	list := s.fields(r)
	texts := map[string]string{}
	for _, f := range list {
		if f.sums == nil {
			texts[f.name] = f.value
		}
	}
	list = append(list, field{name: "sign", value: signature(texts, secret)})
	w := Webhook{URL: r.ResultURL, OrderID: r.OrderID, Status: r.Status, ContentType: "application/x-www-form-urlencoded"}
	if s.format == JSON {
		w.ContentType = "application/json"
		o := &object{}
		for _, f := range list {
			o.field(f, s.asStrings)
		}
		w.Body = o.String()
		return w
	}
	var parts []string
	for _, f := range list {
		for code, sum := range f.sums {
			parts = append(parts, url.QueryEscape(f.name+"["+code+"]")+"="+url.QueryEscape(sum))
		}
		if f.sums == nil {
			parts = append(parts, f.name+"="+url.QueryEscape(f.value))
		}
	}
	w.Body = strings.Join(parts, "&")
	return w
}

// Send sends a webhook once and returns the HTTP status of the answer.
func (s *Shop) Send(ctx context.Context, w Webhook) (int, error) {
	d := s.post.send(ctx, w)
	if d.Err != "" {
		return d.Code, fmt.Errorf("skinsbacktest: the webhook was not answered: %s", d.Err)
	}
	return d.Code, nil
}

// Deliveries returns what came of all webhooks, in the order of their answers.
func (s *Shop) Deliveries() []Delivery {
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	return slices.Clone(s.post.done)
}

// WaitDelivery waits until a delivery matches, or ctx ends.
func (s *Shop) WaitDelivery(ctx context.Context, match func(Delivery) bool) (Delivery, error) {
	for {
		s.post.mu.Lock()
		i, changed := slices.IndexFunc(s.post.done, match), s.post.changed
		var d Delivery
		if i >= 0 {
			d = s.post.done[i]
		}
		s.post.mu.Unlock()
		if i >= 0 {
			return d, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return d, ctx.Err()
		}
	}
}

// poster sends webhooks, those of the shop's own accord one after the other.
type poster struct {
	client *http.Client
	ctx    context.Context // ends with the shop
	stop   context.CancelFunc
	busy   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	running bool
	queue   []Webhook
	done    []Delivery
	changed chan struct{} // closed and replaced at every delivery
}

func (p *poster) init() {
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.changed = make(chan struct{})
	p.client = &http.Client{
		Timeout: hookTimeout, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// soon queues a webhook. The caller holds the shop's lock, so it must not wait.
func (p *poster) soon(w Webhook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || w.URL == "" {
		return
	}
	p.queue = append(p.queue, w)
	if !p.running {
		p.running = true
		p.busy.Go(p.work)
	}
}

func (p *poster) work() {
	for {
		p.mu.Lock()
		if len(p.queue) == 0 || p.closed {
			p.running = false
			p.mu.Unlock()
			return
		}
		w := p.queue[0]
		p.queue = p.queue[1:]
		p.mu.Unlock()
		p.send(p.ctx, w)
	}
}

func (p *poster) send(ctx context.Context, w Webhook) Delivery {
	d := Delivery{Webhook: w}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, strings.NewReader(w.Body))
	if err == nil {
		r.Header.Set("Content-Type", w.ContentType)
		var answer *http.Response
		if answer, err = p.client.Do(r); err == nil {
			d.Code = answer.StatusCode
			_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16))
			_ = answer.Body.Close()
		}
	}
	if err != nil {
		d.Err = err.Error()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = append(p.done, d)
	close(p.changed)
	p.changed = make(chan struct{})
	return d
}

func (p *poster) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.stop()
	p.busy.Wait()
}
