package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// job is one way to fulfil orders.
type job interface {
	name() string
	workers() int
	// order is what upstream publishes for order i, and customer whom the shop
	// then sells to.
	order(i int) (subject string, body []byte)
	customer(i int) string
	// taker is the consumer that orders go through first.
	taker() (stream, consumer string)
	// results is the filter of the messages in EVENTS that upstream waits for,
	// and number is which order one of them is of.
	results() (filter string)
	number(subject string) (int, bool)
	// start makes the streams, starts the programs and returns when they work.
	start(ctx context.Context, s *stage) error
	// failure says what is known of an order whose result did not come.
	failure(ctx context.Context, s *stage, i int) string
}

// stage is a job on servers of its own, with a shop and an upstream.
type stage struct {
	job
	o    Options
	mode Mode
	dir  string // of this stage alone

	nodes    []*process
	shop     *process
	programs []*process // the job's
	profiles string     // where the first server serves its profiles, where it does

	nc      *nats.Conn // that upstream publishes on
	js      jetstream.JetStream
	close   []func()
	broken  chan error  // a process has ended by itself
	results chan result // that upstream has read
	next    int         // the number of the next order
	seen    []bool      // orders whose result was read
	quiet   time.Duration
}

// result is the result of an order, and when upstream had it.
type result struct {
	number int
	at     time.Time
}

// publishers is how many submit at once, as upstream systems would.
const publishers = 32

// open starts everything. What it has started ends with end, also where it fails.
func open(ctx context.Context, o Options, m Mode, j job, profiles bool) (s *stage, err error) {
	s = &stage{job: j, o: o, mode: m, broken: make(chan error, 1), results: make(chan result, 1<<16), quiet: quiet}
	defer func() {
		if err != nil {
			s.end()
		}
	}()
	if s.dir, err = os.MkdirTemp(o.Dir, "beltline-bench-"); err != nil {
		return s, err
	}
	if s.nodes, s.profiles, err = startServers(ctx, s.dir, m, profiles); err != nil {
		return s, err
	}
	if s.shop, err = s.spawn(string(roleShop), task{Role: roleShop}); err != nil {
		return s, err
	}
	if err := s.shop.await(ctx); err != nil {
		return s, err
	}
	if s.nc, s.js, err = connect(addresses(s.nodes)); err != nil {
		return s, err
	}
	s.close = append(s.close, s.nc.Close)
	if err := s.start(ctx, s); err != nil {
		return s, err
	}
	s.watch()
	return s, s.follow(ctx)
}

func (s *stage) spawn(name string, t task) (*process, error) { return spawn(s.dir, name, t) }

func (s *stage) processes() []*process {
	all := append(append([]*process{}, s.programs...), s.nodes...)
	if s.shop != nil {
		all = append(all, s.shop)
	}
	return all
}

// watch tells of every process that ends while it is needed.
func (s *stage) watch() {
	done := make(chan struct{})
	s.close = append(s.close, sync.OnceFunc(func() { close(done) }))
	for _, p := range s.processes() {
		go func() {
			select {
			case <-p.ended:
				select {
				case s.broken <- p.trouble(errors.New("it has ended by itself")):
				default: // one is enough
				}
			case <-done:
			}
		}()
	}
}

// follow reads results as an upstream does, over a connection of its own.
func (s *stage) follow(ctx context.Context) error {
	nc, js, err := connect(addresses(s.nodes))
	if err != nil {
		return err
	}
	s.close = append(s.close, nc.Close)
	c, err := js.OrderedConsumer(ctx, bareEvents, jetstream.OrderedConsumerConfig{FilterSubjects: []string{s.job.results()}})
	if err != nil {
		return err
	}
	ended := ctx.Done()
	reading, err := c.Consume(func(m jetstream.Msg) {
		at := time.Now()
		i, ok := s.number(m.Subject())
		if !ok {
			return
		}
		select {
		case s.results <- result{i, at}:
		case <-ended:
		}
	})
	if err == nil {
		s.close = append(s.close, reading.Stop)
	}
	return err
}

// end ends everything and removes the files.
func (s *stage) end() {
	for i := len(s.close) - 1; i >= 0; i-- {
		s.close[i]()
	}
	endAll(s.processes())
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// take numbers n more orders.
func (s *stage) take(n int) (from int) {
	from, s.next = s.next, s.next+n
	s.seen = append(s.seen, make([]bool, n)...)
	return from
}

// submit hands in one order; it returns when the order is stored.
func (s *stage) submit(ctx context.Context, i int) error {
	subject, body := s.order(i)
	return store(ctx, s.nc, nats.NewMsg(subject), body)
}

// submitAll hands in orders as fast as they are taken.
func (s *stage) submitAll(ctx context.Context, from, n int) error {
	next, failed := make(chan int), make(chan error, publishers)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	for range publishers {
		group.Go(func() {
			for i := range next {
				if err := s.submit(ctx, i); err != nil {
					failed <- err
					cancel()
					return
				}
			}
		})
	}
	for i := from; i < from+n && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	group.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return ctx.Err()
	}
}

// quiet is how long no result comes before the rest is taken for lost. It is
// longer than whatever a program waits that has lost an answer.
const quiet = 150 * time.Second

// progress is how often it is told how far one part has come.
const progress = 10 * time.Second

// collect reads the results of n orders from a number on, each once.
func (s *stage) collect(ctx context.Context, what string, from, n int, each func(result)) error {
	still, tell := time.NewTimer(s.quiet), time.NewTicker(progress)
	defer still.Stop()
	defer tell.Stop()
	for got := 0; got < n; {
		select {
		case r := <-s.results:
			if r.number < from || r.number >= from+n || s.seen[r.number] {
				continue // told twice, which is allowed
			}
			s.seen[r.number] = true
			each(r)
			got++
			still.Reset(s.quiet)
		case <-tell.C:
			s.o.say("  %s, %s: %d of %d", s.name(), what, got, n)
		case err := <-s.broken:
			return err
		case <-still.C:
			return s.missing(ctx, from, n)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// missing says which results did not come.
func (s *stage) missing(ctx context.Context, from, n int) error {
	count, first := 0, -1
	for i := from; i < from+n; i++ {
		if !s.seen[i] {
			if count++; first < 0 {
				first = i
			}
		}
	}
	return fmt.Errorf("%s: %d of %d orders have no result after %v without any; of o%d %s",
		s.name(), count, n, s.quiet, first, s.failure(ctx, s, first))
}
