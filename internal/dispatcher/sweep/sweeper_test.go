package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/dispatcher/sweep"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

const patience = time.Minute

func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func setUp(t testing.TB) (*natstest.Server, jetstream.JetStream) {
	t.Helper()
	srv := natstest.Start(t)
	js := srv.JS(t)
	s := topology.Default()
	s.EventsMaxBytes = 1 << 30
	_, err := topology.Setup(t.Context(), js, s)
	must(t, err)
	return srv, js
}

// candidate is a sweeper on a connection of its own, on the real server.
type candidate struct {
	*sweep.Sweeper
	nc   *nats.Conn
	quit func()

	mu     sync.Mutex
	driven []string
}

func (c *candidate) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.driven...)
}

func launch(t *testing.T, srv *natstest.Server, name string, edit func(*sweep.Options), opts ...nats.Option) *candidate {
	t.Helper()
	c := &candidate{nc: srv.Conn(t, opts...)}
	js, err := jetstream.New(c.nc)
	must(t, err)
	l, err := ledger.Open(t.Context(), c.nc, js, ledger.Options{})
	must(t, err)
	t.Cleanup(l.Close)
	q := queue.New(js)
	o := newWorld().options()
	o.Instance, o.Now = name, time.Now
	// The lease is long enough for a loaded machine to renew it in time.
	o.Every, o.Grace, o.LeaseFor = 20*time.Millisecond, 20*time.Millisecond, time.Second
	if edit != nil {
		edit(&o)
	}
	c.Sweeper = sweep.New(js, l, q, func(ctx context.Context, last *ledger.Entry) error {
		c.mu.Lock()
		c.driven = append(c.driven, last.Event.OrderID)
		c.mu.Unlock()
		return q.Send(ctx, last.Event.Provider, messages.Place, messages.CommandFor(last.Event, last.Seq))
	}, o)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() { c.Run(ctx); close(done) }()
	c.quit = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(c.quit)
	return c
}

// write stores accepted orders in the real ledger.
func write(t testing.TB, js jetstream.JetStream, ids ...string) {
	t.Helper()
	l, err := ledger.Open(t.Context(), js.Conn(), js, ledger.Options{})
	must(t, err)
	defer l.Close()
	for _, id := range ids {
		_, err := l.Append(t.Context(), accepted(id), 0)
		must(t, err)
	}
}

func TestRun_OneSweepsAndAnotherTakesOver(t *testing.T) {
	t.Parallel()
	for name, die := range map[string]func(*candidate){
		"when it ends":          func(c *candidate) { c.quit() },
		"when it dies silently": func(c *candidate) { c.nc.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, js := setUp(t)
			a := launch(t, srv, "a", nil)
			until(t, "a leads", a.Leading)
			b := launch(t, srv, "b", nil)
			write(t, js, "o1")
			until(t, "o1 is driven", func() bool { return len(a.all()) == 1 })
			if b.Leading() || len(b.all()) > 0 {
				t.Error("two sweep at once")
			}
			die(a)
			until(t, "b leads", b.Leading)
			until(t, "a does not", func() bool { return !a.Leading() })
			write(t, js, "o2")
			until(t, "o2 is driven", func() bool { return len(b.all()) > 0 })
			if diff := cmp.Diff([]string{"o2"}, b.all()); diff != "" { // o1 waits in the queue
				t.Errorf("driven (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRun_LivingSweeperKeepsItsLease(t *testing.T) {
	t.Parallel()
	srv, js := setUp(t)
	kv, err := js.KeyValue(t.Context(), messages.Bucket)
	must(t, err)
	a := launch(t, srv, "a", nil)
	until(t, "a leads", a.Leading)
	for _, name := range []string{"b", "c"} {
		launch(t, srv, name, nil)
	}
	renewals, err := kv.Watch(t.Context(), "lease.sweeper", jetstream.UpdatesOnly())
	must(t, err)
	defer func() { must(t, renewals.Stop()) }()
	for range 20 {
		select {
		case e := <-renewals.Updates():
			if !strings.Contains(string(e.Value()), `"instance":"a"`) {
				t.Fatalf("the lease of a living sweeper was taken: %s", e.Value())
			}
		case <-time.After(patience):
			t.Fatal("the lease was not renewed")
		}
	}
	if !a.Leading() {
		t.Error("a has lost the lead")
	}
}

// The end of an order was lost. Whoever remembers it believes that the order
// needs nothing; the ledger says otherwise.
func TestRun_AfterTheFenceWasClearedTheLedgerIsReadAnew(t *testing.T) {
	t.Parallel()
	srv, js := setUp(t)
	kv, err := js.KeyValue(t.Context(), messages.Bucket)
	must(t, err)
	a := launch(t, srv, "a", nil)
	write(t, js, "o1")
	until(t, "o1 is driven", func() bool { return len(a.all()) > 0 })
	l, err := ledger.Open(t.Context(), js.Conn(), js, ledger.Options{})
	must(t, err)
	t.Cleanup(l.Close)
	last, err := l.Last(t.Context(), "acme", "o1")
	must(t, err)
	end := *last.Event
	end.N, end.Type, end.State = 2, messages.Canceled, messages.Canceled
	_, err = l.Append(t.Context(), &end, last.Seq)
	must(t, err)
	commands, err := js.Stream(t.Context(), messages.StreamCommands)
	must(t, err)
	events, err := js.Stream(t.Context(), messages.StreamEvents)
	must(t, err)
	write(t, js, "o2") // behind it: when it is driven the end of o1 was read
	until(t, "o2 is driven", func() bool { return slices.Contains(a.all(), "o2") })
	must(t, events.Purge(t.Context(), jetstream.WithPurgeSubject("events.*.acme.o1.canceled")))
	must(t, commands.Purge(t.Context()))
	driven := len(a.all())
	_, err = kv.PutString(t.Context(), "fence.events", `{"v":1,"n":2,"tripped":false}`)
	must(t, err)
	until(t, "o1 is driven again", func() bool { return slices.Contains(a.all()[driven:], "o1") })
}

// The ledger's files are those of before, and it has grown again up to where the
// sweeper has read. Everything else is as it was, the sweeper's lease as well.
func TestRun_ALedgerThatWasRolledBackIsReadAnew(t *testing.T) {
	t.Parallel()
	dir, older := t.TempDir(), t.TempDir()
	srv := natstest.Start(t, natstest.Configure(func(o *server.Options) { o.StoreDir = dir }))
	js := srv.JS(t)
	s := topology.Default()
	s.EventsMaxBytes = 1 << 30
	_, err := topology.Setup(t.Context(), js, s)
	must(t, err)
	events := filepath.Join(dir, "jetstream", server.DEFAULT_GLOBAL_ACCOUNT, "streams", messages.StreamEvents)
	write(t, js, "o1")
	srv.Stop()
	must(t, os.CopyFS(older, os.DirFS(events)))
	srv.Restart(t)
	a := launch(t, srv, "a", nil)
	until(t, "a leads", a.Leading)
	write(t, srv.JS(t), "o2")
	until(t, "o2 is driven", func() bool { return slices.Contains(a.all(), "o2") })
	srv.Stop()
	must(t, os.RemoveAll(events))
	must(t, os.CopyFS(events, os.DirFS(older)))
	srv.Restart(t)
	write(t, srv.JS(t), "o3") // where o2 was
	until(t, "o3 is driven", func() bool { return slices.Contains(a.all(), "o3") })
}

func TestRun_SweeperSurvivesRestartOfTheServer(t *testing.T) {
	t.Parallel()
	srv, js := setUp(t)
	a := launch(t, srv, "a", nil)
	write(t, js, "o1")
	until(t, "o1 is driven", func() bool { return len(a.all()) == 1 })
	srv.Restart(t)
	until(t, "the client is back", func() bool { return js.Conn().IsConnected() })
	write(t, js, "o2")
	until(t, "o2 is driven", func() bool { return len(a.all()) == 2 })
}

func TestRun_RestartReadsOnlyWhatCameSinceTheIndexWasSaved(t *testing.T) {
	t.Parallel()
	srv, js := setUp(t)
	saving := func(o *sweep.Options) { o.SaveEvery = 30 * time.Millisecond; o.Grace = time.Hour }
	a := launch(t, srv, "a", saving)
	write(t, js, "o1", "o2")
	kv, err := js.KeyValue(t.Context(), messages.Bucket)
	must(t, err)
	saved := func(orders int) func() bool {
		return func() bool {
			e, err := kv.Get(t.Context(), "sweeper")
			return err == nil && strings.Contains(string(e.Value()), fmt.Sprintf(`"orders":%d`, orders))
		}
	}
	until(t, "the index is saved", saved(2))
	a.quit()
	// What the index covers is taken out of the ledger: only the saved index
	// can still know of it, and only the ledger of what comes now.
	events, err := js.Stream(t.Context(), messages.StreamEvents)
	must(t, err)
	must(t, events.Purge(t.Context()))
	write(t, js, "o3")
	b := launch(t, srv, "b", saving)
	until(t, "b has saved what it knows", saved(3))
	b.quit()
}

func TestSave_IndexComesBackAsItWas(t *testing.T) {
	t.Parallel()
	_, js := setUp(t)
	kv, err := js.KeyValue(t.Context(), messages.Bucket)
	must(t, err)
	w := newWorld()
	x := sweep.NewIndex(w.options())
	for n := range 12_000 {
		w.add(t, x, n, true)
	}
	late := start.Add(time.Hour)
	// The set in use is never written over: a crash in between leaves it whole.
	for _, set := range []string{"a", "b", "a"} {
		must(t, x.Save(t.Context(), kv, start))
		pointer, err := kv.Get(t.Context(), "sweeper")
		must(t, err)
		if !strings.Contains(string(pointer.Value()), fmt.Sprintf(`"set":%q`, set)) {
			t.Errorf("pointer %s, want set %s", pointer.Value(), set)
		}
		y := sweep.NewIndex(w.options())
		must(t, y.Load(t.Context(), kv, start, x.Position()))
		if y.Position() != x.Position() {
			t.Errorf("position %d, want %d", y.Position(), x.Position())
		}
		if diff := cmp.Diff(x.Keys(late), y.Keys(late)); diff != "" {
			t.Fatalf("suspects (-want +got):\n%s", diff)
		}
		w.add(t, x, 20_000+int(x.Position()), true)
	}
}

func TestLoad_RefusesWhatIsNotTheIndexOfThisLedger(t *testing.T) {
	t.Parallel()
	_, js := setUp(t)
	kv, err := js.KeyValue(t.Context(), messages.Bucket)
	must(t, err)
	w := newWorld()
	x := sweep.NewIndex(w.options())
	for n := range 5_000 {
		w.add(t, x, n, true)
	}
	must(t, x.Save(t.Context(), kv, start))
	load := func(created time.Time, lastSeq uint64) error {
		return sweep.NewIndex(w.options()).Load(t.Context(), kv, created, lastSeq)
	}
	must(t, load(start, 5_000))
	if err := load(start.Add(time.Second), 5_000); err == nil {
		t.Error("the index of another ledger was taken")
	}
	if err := load(start, 4_999); err == nil {
		t.Error("an index from the future of a restored ledger was taken")
	}
	part, err := kv.Get(t.Context(), "sweeper.a.0")
	must(t, err)
	for name, spoiled := range map[string][]byte{
		"cut":     part.Value()[:len(part.Value())-1],
		"changed": append([]byte{part.Value()[0] ^ 1}, part.Value()[1:]...),
		"empty":   nil,
	} {
		_, err := kv.Put(t.Context(), "sweeper.a.0", spoiled)
		must(t, err)
		if load(start, 5_000) == nil {
			t.Errorf("a part that was %s was taken", name)
		}
	}
	must(t, kv.Delete(t.Context(), "sweeper.a.0"))
	if load(start, 5_000) == nil {
		t.Error("an index without its first part was taken")
	}
	_, err = kv.Put(t.Context(), "sweeper", []byte(`{"v":1,"set":"a","parts":1000000}`))
	must(t, err)
	if load(start, 5_000) == nil {
		t.Error("an unusable pointer was followed")
	}
}

func TestSave_TooLargeAnIndexIsNotSaved(t *testing.T) {
	t.Parallel()
	_, js := setUp(t)
	kv, err := js.KeyValue(t.Context(), messages.Bucket)
	must(t, err)
	x := sweep.NewIndex(newWorld().options())
	random := rand.New(rand.NewPCG(1, 2))
	for n := range uint64(10_000) { // ids that cannot be compressed
		must(t, x.Apply(n+1, accepted(fmt.Sprintf("%016x%016x%016x", random.Uint64(), random.Uint64(), random.Uint64()))))
	}
	if err := x.SaveInto(t.Context(), kv, start, 2); !errors.Is(err, sweep.ErrTooLarge) {
		t.Errorf("error %v", err)
	}
	if _, err := kv.Get(t.Context(), "sweeper"); !errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Error("a pointer to nothing was left")
	}
	must(t, x.Save(t.Context(), kv, start))
}

func BenchmarkSaveAndLoad100000(b *testing.B) {
	_, js := setUp(b)
	kv, err := js.KeyValue(b.Context(), messages.Bucket)
	must(b, err)
	o := newWorld().options()
	x := sweep.NewIndex(o)
	for n := range uint64(100_000) {
		must(b, x.Apply(n+1, accepted(fmt.Sprintf("ord-2026-%06d-%x", n, n*2654435761))))
	}
	size, err := x.Encoded()
	must(b, err)
	for b.Loop() {
		must(b, x.Save(b.Context(), kv, start))
		must(b, sweep.NewIndex(o).Load(b.Context(), kv, start, 100_000))
	}
	b.ReportMetric(float64(size), "bytes")
}

func BenchmarkRebuild100000(b *testing.B) {
	srv, js := setUp(b)
	const events = 100_000
	l, err := ledger.Open(b.Context(), js.Conn(), js, ledger.Options{})
	must(b, err)
	defer l.Close()
	var all sync.WaitGroup
	for lane := range 64 {
		all.Go(func() {
			for n := lane; n < events; n += 64 {
				if _, err := l.Append(b.Context(), accepted(fmt.Sprintf("o%d", n)), 0); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	for b.Loop() {
		o := newWorld().options()
		o.Now, o.Grace = time.Now, 1000*time.Hour // rebuilt, not swept
		s := sweep.New(srv.JS(b), l, queue.New(js), nil, o)
		must(b, s.Rebuild(b.Context(), events))
	}
}
