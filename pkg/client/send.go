package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	// pastWindow is longer than the duplicate window of ORDERS (100 ms).
	pastWindow = 150 * time.Millisecond
	// duplicateTries is how often a request is sent that the server takes for a
	// duplicate.
	duplicateTries = 5
	fullPause      = 500 * time.Millisecond
	firstPause     = 100 * time.Millisecond
	maxPause       = 2 * time.Second
)

// What the server answers to a publish that it has not stored.
const (
	codeStreamFull     jetstream.ErrorCode = 10077
	codeTooLong        jetstream.ErrorCode = 10054
	codeOtherStream    jetstream.ErrorCode = 10060
	codeNotEnabled     jetstream.ErrorCode = 10076
	codeNotEnabledHere jetstream.ErrorCode = 10039
)

// headerTrace is spelled as in the contract; headers of NATS are case-sensitive.
const headerTrace = "traceparent"

// Receipt says where a request is stored.
type Receipt struct {
	// Seq is its sequence in the stream ORDERS. A dead letter names it as its
	// origin.
	Seq uint64
}

// Submit checks an order, sends it, and returns once the server has stored it.
// Stored is not accepted: acceptance, or what is wrong after all, is an event.
//
// An order with faults is not sent; the error is a [*messages.InvalidError].
// Otherwise Submit tries until ctx ends, or for Options.Patience where ctx has
// no deadline: while the server is away it waits for it, when an acknowledgement
// is lost it sends again, and when ORDERS is full, which is how Beltline slows
// its upstream down, it waits for room. Sending again is safe: the same id with
// the same content has no effect. What is left are [ErrNotStored], which is
// certain, and [ErrFateUnknown], which calls for the same order once more.
func (c *Client) Submit(ctx context.Context, o Order) (Receipt, error) {
	body, err := o.Encode()
	if err != nil {
		return Receipt{}, err
	}
	return c.send(ctx, messages.SubmitRequest, o.ID, body)
}

// SubmitJSON is [Client.Submit] for an order that is written already. To submit
// it again means the same bytes again.
func (c *Client) SubmitJSON(ctx context.Context, body []byte) (Receipt, error) {
	o, err := messages.DecodeOrder(body)
	if err != nil {
		return Receipt{}, err
	}
	return c.send(ctx, messages.SubmitRequest, o.ID, body)
}

// Forward is [Client.Submit] for an order of somebody else, which it sends as it
// is. What is wrong with it Beltline says, by the event rejected, or by a dead
// letter where not even its id can be read; and a kind that came after this
// version of the client is not taken for a fault. For programs that pass on what
// others have written, and for tools.
func (c *Client) Forward(ctx context.Context, body []byte) (Receipt, error) {
	var head struct {
		ID any `json:"id"`
	}
	_ = json.Unmarshal(body, &head) // the id is for the text of an error only
	id, _ := head.ID.(string)
	return c.send(ctx, messages.SubmitRequest, id, body)
}

// Cancel asks for an order not to be bought; why may be empty. The answer is an
// event: canceled, or cancel_refused.
//
// Unlike an order it is not sent again once it may have been stored, because
// the second one would be answered too (by cancel_refused, where the first one
// was successful): see what becomes of the order before you ask again.
func (c *Client) Cancel(ctx context.Context, id, why string) (Receipt, error) {
	return c.about(ctx, messages.CancelRequest, id, why)
}

// Confirm says that the customer has paid, where an event's action.confirm asks
// for it. The answer is an event: processing, or confirm_refused. It is sent
// again no more than a cancel is.
func (c *Client) Confirm(ctx context.Context, id string) (Receipt, error) {
	return c.about(ctx, messages.ConfirmRequest, id, "")
}

func (c *Client) about(ctx context.Context, r messages.Request, id, why string) (Receipt, error) {
	body, err := json.Marshal(struct {
		V      int    `json:"v"`
		ID     string `json:"id"`
		Reason string `json:"reason,omitempty"`
	}{messages.Version, id, why})
	if err != nil {
		return Receipt{}, fmt.Errorf("%s of order %s: %w", r, id, err)
	}
	if r == messages.CancelRequest {
		_, err = messages.DecodeCancel(body)
	} else {
		_, err = messages.DecodeConfirm(body)
	}
	if err != nil {
		return Receipt{}, err
	}
	return c.send(ctx, r, id, body)
}

// fate is what is known about one try.
type fate int

const (
	unknown fate = iota // it may have been stored
	stored
	again   // it was not stored, and may be another time
	refused // it was not stored, and never will be
)

// sending is a request on its way.
type sending struct {
	c       *Client
	request messages.Request
	subject string
	body    []byte
	trace   string

	doubt      error // why an earlier try may have been stored
	duplicates int
	pause      time.Duration
	noStream   time.Time // since when nobody has taken it
}

func (c *Client) send(ctx context.Context, r messages.Request, id string, body []byte) (Receipt, error) {
	ctx, cancel := c.patient(ctx)
	defer cancel()
	s := &sending{c: c, request: r, subject: messages.OrderSubject(c.o.Tenant, r), body: body, pause: firstPause}
	if c.o.Traceparent != nil {
		s.trace = c.o.Traceparent(ctx)
	}
	receipt, err := s.run(ctx)
	switch {
	case err == nil:
		return receipt, nil
	case s.doubt != nil:
		return Receipt{}, fmt.Errorf("%s of order %q: %w: %w", r, id, ErrFateUnknown, s.doubt)
	default:
		return Receipt{}, fmt.Errorf("%s of order %q: %w: %w", r, id, ErrNotStored, err)
	}
}

// patient bounds a context that has no deadline.
func (c *Client) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, bounded := ctx.Deadline(); bounded {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.o.Patience)
}

// run tries until the request is stored, or the end of ctx, or until to go on
// is of no use or not safe.
func (s *sending) run(ctx context.Context) (Receipt, error) {
	var last error
	for {
		if err := s.c.link.wait(ctx); err != nil {
			return Receipt{}, errors.Join(last, err)
		}
		receipt, f, err := s.once(ctx)
		last = err
		switch f {
		case stored:
			return receipt, nil
		case refused:
			return Receipt{}, err
		case unknown:
			s.doubt = err
			if s.request != messages.SubmitRequest {
				return Receipt{}, err
			}
		case again:
		}
		if !pause(ctx, s.pause) {
			return Receipt{}, errors.Join(last, context.Cause(ctx))
		}
	}
}

// once sends the request and judges what comes back.
func (s *sending) once(ctx context.Context) (Receipt, fate, error) {
	try, done := s.c.attempt(ctx, s.subject, s.c.o.AnswerWithin)
	defer done()
	m := &nats.Msg{Subject: s.subject, Data: s.body, Header: nats.Header{}} // each time: publishing adds to the header
	if s.trace != "" {
		m.Header.Set(headerTrace, s.trace)
	}
	ack, err := s.c.js.PublishMsg(try, m, jetstream.WithExpectStream(messages.StreamOrders), jetstream.WithRetryAttempts(0))
	if err == nil && !ack.Duplicate {
		return Receipt{Seq: ack.Sequence}, stored, nil
	}
	f, err := s.judge(ack, ended(try, err))
	return Receipt{}, f, err
}

// judge tells what is certain about a try that was not acknowledged.
func (s *sending) judge(ack *jetstream.PubAck, err error) (fate, error) {
	if err == nil && ack.Duplicate {
		s.duplicates++
		s.pause = pastWindow
		err := fmt.Errorf("the server took it for a duplicate %d times, which is how it says that it stored nothing", s.duplicates)
		if s.duplicates >= duplicateTries {
			return refused, err
		}
		return again, err
	}
	var api jetstream.JetStreamError
	if errors.As(err, &api) && api.APIError() != nil {
		switch api.APIError().ErrorCode {
		case codeStreamFull:
			s.pause = fullPause
			return again, errors.New("ORDERS is full: Beltline cannot keep up, or its dispatcher does not run")
		case codeTooLong, codeOtherStream, codeNotEnabled, codeNotEnabledHere:
			return refused, err
		}
	}
	switch {
	case errors.Is(err, errDeaf):
		s.doubt = err // it was sent, and no answer will ever be heard
		return refused, err
	case errors.Is(err, ErrDenied):
		return refused, err
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		return s.nobody()
	case errors.Is(err, nats.ErrMaxPayload), errors.Is(err, nats.ErrBadSubject), errors.Is(err, nats.ErrInvalidMsg):
		return refused, err
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionReconnecting):
		return again, err // the connection is not there, and nothing was written
	default:
		s.pause = min(2*s.pause, maxPause)
		return unknown, err
	}
}

// nobody is a publish that no stream has taken: for a moment while servers
// start and elect, for ever where nothing is set up.
func (s *sending) nobody() (fate, error) {
	err := fmt.Errorf("no stream takes orders: %s: %w", setUp, jetstream.ErrNoStreamResponse)
	if s.noStream.IsZero() {
		s.noStream = time.Now()
	}
	if time.Since(s.noStream) > s.c.o.AnswerWithin {
		return refused, err
	}
	s.pause = fullPause
	return again, err
}

// pause reports false when ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
