package sweep

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Ledger is what the sweeper needs of the ledger.
type Ledger interface {
	Last(ctx context.Context, tenant, orderID string) (*ledger.Entry, error)
}

// Queue is what the sweeper needs of the command queue.
type Queue interface {
	Waiting(ctx context.Context, p messages.Provider, tenant, orderID string, due messages.Verb) (bool, error)
}

// Drive puts what an order needs now into the queue.
type Drive func(ctx context.Context, last *ledger.Entry) error

// Options configure a [Sweeper]. All are required unless said otherwise.
type Options struct {
	Instance string
	Log      zerolog.Logger
	Times    order.Times
	// Grace is how long after it was due an order becomes a suspect.
	Grace time.Duration
	// Every is the time between two rounds.
	Every time.Duration
	// LeaseFor is how long a dead leader is waited for.
	LeaseFor time.Duration
	// SaveEvery is how often the index is saved; 0 is 5 minutes.
	SaveEvery time.Duration
	Now       func() time.Time
	// Rest waits between the portions of a round, or until ctx ends; nil is the
	// system's clock.
	Rest func(ctx context.Context, t time.Duration)
	// Looked and Found count for the metrics.
	Looked, Found func(float64)
	// Round is called after each round, for the metrics; nil for nobody.
	Round func()
}

const (
	// portion is how many suspects are asked about at a time while next to
	// nothing is found missing. Between two portions the sweeper rests, so that a
	// round is spread over half of the time until the next: the looks of a whole
	// round in one go are a second in which every new order waits for the server.
	portion = 10
	// chunk is how many are asked about at a time while much is missing. Then
	// nothing is worth waiting for.
	chunk = 500
	// atOnce is how many of them are asked about at a time.
	atOnce = 8
	// budget is how many looks a round may cost while next to nothing is found
	// missing: about half a second of the server's time.
	budget = 5000
	// worthSaving is how many new events make the index worth saving at the end.
	worthSaving = 1000
)

// Sweeper is one candidate for sweeping.
type Sweeper struct {
	js      jetstream.JetStream
	ledger  Ledger
	queue   Queue
	drive   Drive
	o       Options
	log     zerolog.Logger
	leading atomic.Bool
}

// New joins the parts of a sweeper. It makes no request.
func New(js jetstream.JetStream, l Ledger, q Queue, drive Drive, o Options) *Sweeper {
	if o.SaveEvery <= 0 {
		o.SaveEvery = 5 * time.Minute
	}
	if o.Rest == nil {
		o.Rest = func(ctx context.Context, t time.Duration) { pause(ctx, t) }
	}
	return &Sweeper{
		js: js, ledger: l, queue: q, drive: drive, o: o,
		log: o.Log.With().Str(logkey.Part, "sweeper").Logger(),
	}
}

// Leading reports whether this process sweeps.
func (s *Sweeper) Leading() bool { return s.leading.Load() }

// Run waits for the lease and sweeps while it holds it, until ctx ends.
func (s *Sweeper) Run(ctx context.Context) {
	for ctx.Err() == nil {
		kv, err := s.js.KeyValue(ctx, messages.Bucket)
		if err != nil {
			if ctx.Err() == nil {
				s.log.Warn().Err(err).Msg("bucket did not answer; nothing is swept")
			}
			pause(ctx, s.o.LeaseFor/5)
			continue
		}
		l := newLease(kv, s.o.Instance, s.o.LeaseFor, s.log)
		rev, ok := l.acquire(ctx)
		if !ok {
			return
		}
		s.reign(ctx, kv, l, rev)
	}
}

// reign leads until ctx ends or the lease is lost.
func (s *Sweeper) reign(ctx context.Context, kv jetstream.KeyValue, l *lease, rev uint64) {
	s.log.Info().Msg("sweeping for all dispatchers")
	s.leading.Store(true)
	defer s.leading.Store(false)
	held, lose := context.WithCancel(ctx)
	var lead sync.WaitGroup
	lead.Go(func() { s.lead(held, kv) })
	rev = l.hold(held, rev)
	lose()
	lead.Wait()
	l.release(ctx, rev) // refused if it is another's by now
}

// lead keeps an index and goes on rounds until ctx ends.
func (s *Sweeper) lead(ctx context.Context, kv jetstream.KeyValue) {
	for ctx.Err() == nil {
		s.keep(ctx, kv)
	}
}

// keep does so with one index, until ctx ends or the index is not to be trusted
// any more.
func (s *Sweeper) keep(ctx context.Context, kv jetstream.KeyValue) {
	x, created, ok := s.begin(ctx, kv)
	if !ok {
		return
	}
	caughtUp := make(chan struct{})
	var following sync.WaitGroup
	defer following.Wait()
	ctx, end := context.WithCancel(ctx)
	defer end()
	following.Go(func() { s.follow(ctx, x, caughtUp) })
	saved := x.position()
	save := func(ctx context.Context) {
		if x.position() == saved {
			return
		}
		at := x.position()
		if err := x.save(ctx, kv, created, maxParts); err != nil {
			s.log.Warn().Err(err).Msg("index of unfinished orders was not saved")
			return
		}
		saved = at
	}
	select {
	case <-caughtUp:
	case <-ctx.Done():
		return
	}
	s.log.Info().Int(logkey.Count, x.size()).Uint64(logkey.StreamSeq, x.position()).Msg("index of unfinished orders is complete")
	rounds, saves := time.NewTicker(s.o.Every), time.NewTicker(s.o.SaveEvery)
	defer rounds.Stop()
	defer saves.Stop()
	s.round(ctx, x)
	for {
		select {
		case <-rounds.C:
			if s.outdated(ctx, kv, x) {
				return
			}
			s.round(ctx, x)
		case <-saves.C:
			save(ctx)
		case <-ctx.Done():
			if x.position() >= saved+worthSaving {
				last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
				defer cancel()
				save(last)
			}
			return
		}
	}
}

// begin loads the saved index, or makes an empty one to be built from the
// ledger's first event.
func (s *Sweeper) begin(ctx context.Context, kv jetstream.KeyValue) (*index, time.Time, bool) {
	for {
		n, err := fenced(ctx, kv)
		var stream jetstream.Stream
		if err == nil {
			stream, err = s.js.Stream(ctx, messages.StreamEvents)
		}
		if err == nil {
			info := stream.CachedInfo()
			x := newIndex(s.o.Times, s.o.Grace, s.o.Every)
			x.fence = n
			err := x.load(ctx, kv, info.Created, info.State.LastSeq)
			if err == nil && !s.overtaken(ctx, x) {
				return x, info.Created, true
			}
			if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
				s.log.Warn().Err(err).Msg("saved index cannot be used; it is built from the whole ledger")
			}
			x = newIndex(s.o.Times, s.o.Grace, s.o.Every)
			x.fence = n
			return x, info.Created, true
		}
		if ctx.Err() == nil {
			s.log.Warn().Err(err).Msg("ledger or bucket did not answer; nothing is swept")
		}
		if !pause(ctx, s.o.LeaseFor/5) {
			return nil, time.Time{}, false
		}
	}
}

// round is what is done every so often.
func (s *Sweeper) round(ctx context.Context, x *index) {
	s.compare(ctx, x)
	s.sweep(ctx, x)
	if s.o.Round != nil && ctx.Err() == nil {
		s.o.Round()
	}
}

// sweep looks at the suspects. It stops after its budget unless much is
// missing, as when the queue was lost: then it goes on to the end.
func (s *Sweeper) sweep(ctx context.Context, x *index) {
	if mutant.Is("M18") {
		return
	}
	suspects := x.suspects(s.o.Now())
	looked, found, size := 0, 0, portion
	for len(suspects) > 0 && ctx.Err() == nil {
		part := suspects[:min(size, len(suspects))]
		suspects = suspects[len(part):]
		missing := s.look(ctx, x, part)
		looked, found = looked+len(part), found+missing
		if missing*10 >= len(part) {
			size = chunk
			continue
		}
		if looked >= budget {
			break
		}
		size = portion
		if len(suspects) > 0 {
			s.o.Rest(ctx, s.o.Every/2*portion/budget)
		}
	}
	if found > 0 {
		s.log.Warn().Int(logkey.Count, found).Msg("unfinished orders had nothing in the queue and were driven again")
	}
}

// compare holds the number of overdue orders against the number of messages in
// the queue: one figure that tells the loss of a whole queue at once.
func (s *Sweeper) compare(ctx context.Context, x *index) {
	stream, err := s.js.Stream(ctx, messages.StreamCommands)
	if err != nil {
		if ctx.Err() == nil {
			s.log.Warn().Err(err).Msg("queue was not counted")
		}
		return
	}
	if x.doubt(stream.CachedInfo().State.Msgs, s.o.Now()) {
		s.log.Warn().Msg("the queue holds fewer messages than there are overdue orders; all of them are looked at")
	}
}

// look asks about each suspect and returns how many were driven again.
func (s *Sweeper) look(ctx context.Context, x *index, suspects []item) int {
	var found atomic.Int64
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, it := range suspects {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			s.o.Looked(1)
			if s.examine(ctx, x, it) {
				found.Add(1)
			}
		})
	}
	all.Wait()
	s.o.Found(float64(found.Load()))
	return int(found.Load())
}

// examine drives one suspect again if it has nothing in the queue.
func (s *Sweeper) examine(ctx context.Context, x *index, it item) bool {
	tenant, id, _ := strings.Cut(it.key, "/")
	log := s.log.With().Str(logkey.Tenant, tenant).Str(logkey.OrderID, id).Str(logkey.Provider, string(it.provider)).Logger()
	waiting, err := s.queue.Waiting(ctx, it.provider, tenant, id, it.verb)
	if err != nil || waiting {
		if err != nil && ctx.Err() == nil {
			log.Warn().Err(err).Msg("queue did not say whether an order waits")
		}
		x.postpone(it, s.o.Now())
		return false
	}
	last, err := s.ledger.Last(ctx, tenant, id)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		x.missed(it, s.o.Now())
		return false
	case err != nil:
		if ctx.Err() == nil {
			log.Warn().Err(err).Msg("ledger did not say what an order needs")
		}
		x.postpone(it, s.o.Now())
		return false
	case last.Seq != it.seq: // it has moved
		x.learn(it, last)
		return false
	}
	if _, unfinished := order.Next(last.Event, s.o.Times, s.o.Now()); !unfinished {
		x.drop(it) // a success that was watched for long enough
		return false
	}
	end, watched := order.WatchEnd(last.Event)
	if err := s.drive(ctx, last); err != nil {
		if ctx.Err() == nil {
			log.Warn().Err(err).Msg("an order with nothing in the queue was not driven yet")
		}
		x.postpone(it, s.o.Now())
		return false
	}
	if watched && !s.o.Now().Before(end) {
		// Nobody can tell a last look that was made from one that was lost, so one
		// more is made. The provider's silence keeps it in the queue.
		x.drop(it)
		return false
	}
	x.driven(it, s.o.Now())
	log.Info().Uint64(logkey.N, last.Event.N).Uint64(logkey.StreamSeq, last.Seq).Str(logkey.Event, string(last.Event.Type)).
		Msg("order with nothing in the queue was driven again")
	return true
}
