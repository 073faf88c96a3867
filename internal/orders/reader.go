package orders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/service"
	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	// readAtOnce is how many events of a page are read at a time.
	readAtOnce = 8
	// readMost is how many events one question may cost. A page that has not
	// found enough by then is short, and has a cursor.
	readMost = 400
	// fresh is how long a list waits for events that were stored before it was
	// asked for.
	fresh = time.Second
	// askAgain is how long to wait while the ledger is being read.
	askAgain = 2 * time.Second
)

// Ledger is what reading orders needs of the ledger.
type Ledger interface {
	Last(ctx context.Context, tenant, orderID string) (*ledger.Entry, error)
	At(ctx context.Context, seq uint64) (*ledger.Entry, error)
	History(ctx context.Context, tenant, orderID string) ([]ledger.Entry, error)
}

// Reader answers what the ledger knows of orders: for a tenant here, and for
// all tenants in the operator's service.
type Reader struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	ledger Ledger
	log    zerolog.Logger
	index  *index
	now    func() time.Time
}

// NewReader returns a reader. It makes no request; lists need Run.
func NewReader(nc *nats.Conn, js jetstream.JetStream, l Ledger, log zerolog.Logger) *Reader {
	return &Reader{nc: nc, js: js, ledger: l, log: log.With().Str(logkey.Part, "orders").Logger(), index: newIndex(), now: time.Now}
}

// Run follows the ledger, so that lists can be answered, until ctx ends.
func (r *Reader) Run(ctx context.Context) {
	f := &follower{js: r.js, log: r.log, index: r.index}
	f.run(ctx)
}

// Count counts the orders of the ledger for the metrics, until ctx ends. It
// counts what Run has read.
func (r *Reader) Count(ctx context.Context, reg prometheus.Registerer) { newCensus(r, reg).run(ctx) }

// Last answers with the order's last event.
func (r *Reader) Last(ctx context.Context, tenant, id string) (service.Answer, error) {
	entry, err := r.ledger.Last(ctx, tenant, id)
	if err != nil {
		return service.Answer{}, err
	}
	return service.Answer{Body: entry.Event, Instead: instead(tenant, id)}, nil
}

func instead(tenant, id string) string {
	return fmt.Sprintf("read %s of the stream %s instead", messages.OrderEvents(tenant, id), messages.StreamEvents)
}

// List answers with a page of orders.
func (r *Reader) List(ctx context.Context, asked messages.OrdersAsked) (service.Answer, error) {
	before := uint64(math.MaxUint64)
	if asked.Cursor != "" {
		var err error
		if before, err = strconv.ParseUint(asked.Cursor, 10, 64); err != nil {
			return service.Answer{}, service.Refused(&messages.InvalidError{Faults: []messages.Fault{{
				Pointer: "/cursor", Message: "must be a cursor of a page before",
			}}})
		}
	}
	if err := r.await(ctx); err != nil {
		return service.Answer{}, err
	}
	w := list(asked, r.now().Add(-asked.OlderThan).UnixNano())
	page, err := r.page(ctx, w, before)
	if err != nil {
		return service.Answer{}, err
	}
	return service.Answer{Body: page, Instead: "ask for fewer orders"}, nil
}

// await waits until the index knows what was stored before now, so that whoever
// has seen an event finds its order in the list.
func (r *Reader) await(ctx context.Context) error {
	stream, err := r.js.Stream(ctx, messages.StreamEvents)
	if err != nil {
		return err
	}
	last := stream.CachedInfo().State.LastSeq
	enough := time.NewTimer(fresh)
	defer enough.Stop()
	for {
		all, ever, changed := r.index.knows(last)
		if all && ever || last == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-enough.C:
			if ever {
				r.index.pass(last) // what does not come was erased, or comes too late for this list
				return nil
			}
			f := service.Fail(service.Unavailable, messages.ProblemUnavailable, "the ledger is still being read for lists; ask again")
			f.After = askAgain
			return f
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// written is a page as it is answered: the events to the letter.
type written struct {
	Orders []json.RawMessage `json:"orders"`
	Cursor string            `json:"cursor,omitempty"`
}

// page reads the events that the list shows. The index only says where to look:
// what is shown is what the ledger says.
func (r *Reader) page(ctx context.Context, w wanted, before uint64) (written, error) {
	page, room := written{Orders: []json.RawMessage{}}, service.Room(r.nc)-256
	for read := 0; read < readMost; {
		rows, more := r.index.scan(w, before, min(w.Limit-len(page.Orders), readMost-read))
		events, err := r.read(ctx, rows)
		if err != nil {
			return page, err
		}
		for i, e := range events {
			if e != nil && w.fitsEvent(e) {
				body, err := e.MarshalJSON()
				if err != nil {
					return page, err
				}
				if room -= len(body) + 1; room < 0 && len(page.Orders) > 0 {
					page.Cursor = strconv.FormatUint(before, 10)
					return page, nil
				}
				page.Orders = append(page.Orders, body)
			}
			before = rows[i].first
		}
		read += len(rows)
		if !more {
			return page, nil
		}
		if len(page.Orders) == w.Limit {
			break
		}
	}
	page.Cursor = strconv.FormatUint(before, 10)
	return page, nil
}

// read reads the last events of rows, nil where one is not there.
func (r *Reader) read(ctx context.Context, rows []seen) ([]*messages.Event, error) {
	events, errs := make([]*messages.Event, len(rows)), make([]error, len(rows))
	slots := make(chan struct{}, readAtOnce)
	var all sync.WaitGroup
	for i := range rows {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			entry, err := r.ledger.At(ctx, rows[i].seq)
			switch {
			case err == nil:
				events[i] = entry.Event
				r.index.learned(rows[i], entry.Event)
			case errors.Is(err, ledger.ErrNotFound):
				r.index.learned(rows[i], nil)
			case errors.Is(err, ledger.ErrInvalid):
				r.log.Error().Err(err).Msg("an event of the ledger cannot be read, and is not listed")
			default:
				errs[i] = err
			}
		})
	}
	all.Wait()
	return events, errors.Join(errs...)
}

// Explain gives an error of the ledger its number. What went wrong inside is
// for our log.
func (r *Reader) Explain(err error) *service.Failure {
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return service.Fail(service.NotFound, messages.ProblemNotFound, "no such order")
	case errors.Is(err, ledger.ErrInvalid):
		r.log.Error().Err(err).Msg("an event of the ledger cannot be read")
		return service.Fail(service.Internal, messages.ProblemInternal, "the order's events cannot be read")
	default:
		r.log.Warn().Err(err).Msg("ledger did not answer a question")
		return service.Fail(service.Unavailable, messages.ProblemUnavailable, "the ledger does not answer; ask again")
	}
}
