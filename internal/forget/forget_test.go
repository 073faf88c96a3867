package forget_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/forget"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestRun_ExportsErasesAndLeavesATombstone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.done("a", "b")
	open := r.accepted("open")
	s, path := r.run()
	if s != (forget.Summary{Forgotten: 2, Erased: 6}) {
		t.Errorf("%+v", s)
	}
	r.forgotten("a", "b")
	if got := r.last("open"); got.Seq != open.Seq {
		t.Errorf("an order that has not ended was touched: %+v", got)
	}
	e := r.last("a").Event
	if e.N != 4 || e.State != messages.Succeeded || !e.SameOrder([]byte(body("a"))) || e.SameOrder([]byte(body("b"))) {
		t.Errorf("the tombstone: %+v", e)
	}
	if history, err := r.books.History(t.Context(), tenant, "a"); err != nil || len(history) != 1 || !history[0].Event.Forgotten() {
		t.Errorf("the history: %+v, %v", history, err)
	}
	all := r.exported(path)
	if len(all) != 2 || len(all["acme/a"].Events) != 3 || !strings.Contains(string(all["acme/a"].Events[2].Event), canary+"a") {
		t.Errorf("exported: %+v", all)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the export is %v, %v", info.Mode(), err)
	}
	if again, _ := r.run(); again != (forget.Summary{}) {
		t.Errorf("a second run did %+v", again)
	}
}

func TestRun_WhatIsErasedIsOverwrittenOnTheDisk(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.done("a", "b")
	r.run(func(o *forget.Options) { o.Tenant = "nobody" })
	r.srv.Stop()
	if r.onDisk(canary+"a") == 0 {
		t.Fatal("the canary is not on the disk before: the test looks in the wrong place")
	}
	r.srv.Restart(t)
	r.eventually("the server to be back", func() bool { _, err := r.books.Last(r.within(), tenant, "a"); return err == nil })
	r.run()
	r.srv.Stop()
	for _, id := range []string{"a", "b"} {
		if n := r.onDisk(canary + id); n > 0 {
			t.Errorf("the canary of %s is on the disk %d times", id, n)
		}
	}
}

func TestRun_WithDenyDeleteItPurgesAndSaysSo(t *testing.T) {
	t.Parallel()
	r := newRig(t, older)
	if !r.events().Config.DenyDelete {
		t.Fatal("setup has taken deny_delete back")
	}
	r.done("a", "b")
	if e := r.eraser(); e.Overwrites() {
		t.Error("it says that the bytes are overwritten")
	} else {
		e.Close()
	}
	s, _ := r.run()
	if s != (forget.Summary{Forgotten: 2, Erased: 6}) {
		t.Errorf("%+v", s)
	}
	r.forgotten("a", "b")
}

func TestOpen_AStreamThatLetsNobodyEraseIsAnError(t *testing.T) {
	t.Parallel()
	r := newRig(t, older)
	config := r.events().Config
	config.DenyPurge = true
	if _, err := r.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if _, err := forget.Open(t.Context(), r.nc, r.js, forget.Options{}); !errors.Is(err, forget.ErrDenied) {
		t.Errorf("%v", err)
	}
}

func TestFind_LeavesOutWhatWasNotAskedForAndWhatMustBeKept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.done("a")
	held := r.write(r.accepted("held"), order.Change{Input: order.Claim, Intent: &order.Intent{Nonce: "x", Owner: "w", ReferenceN: 1, LeaseUntil: time.Now().Add(time.Minute)}})
	r.write(held, order.Change{Input: order.OwnUnknown, Nonce: "x", NeedsOperator: true, Error: &messages.Error{Class: "ambiguous", Code: "timeout"}})
	for name, c := range map[string]struct {
		edit func(*forget.Options)
		want int
	}{
		"all":       {func(*forget.Options) {}, 1},
		"too young": {func(o *forget.Options) { o.OlderThan = time.Hour }, 0},
		"old by then": {func(o *forget.Options) {
			o.OlderThan, o.Now = time.Hour, func() time.Time { return time.Now().Add(2 * time.Hour) }
		}, 1},
		"of the tenant":  {func(o *forget.Options) { o.Tenant = tenant }, 1},
		"of another":     {func(o *forget.Options) { o.Tenant = "zeta" }, 0},
		"of the shop":    {func(o *forget.Options) { o.Provider = messages.BalanceSteam }, 1},
		"of another one": {func(o *forget.Options) { o.Provider = messages.SkinsBack }, 0},
	} {
		e := r.eraser(c.edit)
		found, err := e.Find(r.within())
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		found.Each(func(_, id string, _ messages.Provider, _ messages.Type, _ time.Time) { ids = append(ids, id) })
		if found.Orders() != c.want || len(ids) != c.want || c.want == 1 && (ids[0] != "a" || found.Events != 3) {
			t.Errorf("%s: %d orders, %v, %d events", name, found.Orders(), ids, found.Events)
		}
		e.Close()
	}
	if r.events().State.Msgs != 6 {
		t.Error("looking has changed the ledger")
	}
}

func TestRun_AnOrderThatMovedSinceItWasFoundStaysWhole(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"before", "export"} {
		r := newRig(t)
		r.done("a", "b")
		move := func() {
			r.write(r.last("a"), order.Change{Input: order.CancelRequest, Origin: "ORDERS:9"})
		}
		e := r.eraser(func(o *forget.Options) {
			o.At(func(at string) {
				if at == step {
					move()
				}
			})
		})
		if err := e.Take(r.within()); err != nil {
			t.Fatal(err)
		}
		found, err := e.Find(r.within())
		if err != nil {
			t.Fatal(err)
		}
		if step == "before" {
			move()
		}
		x, err := forget.CreateExport(filepath.Join(t.TempDir(), "x"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := e.Run(r.within(), found, x)
		if err != nil || s != (forget.Summary{Forgotten: 1, Kept: 1, Erased: 3}) {
			t.Errorf("moved at %s: %+v, %v", step, s, err)
		}
		if history, err := r.books.History(r.within(), tenant, "a"); err != nil || len(history) != 4 || history[3].Event.Forgotten() {
			t.Errorf("moved at %s: %d events, %v", step, len(history), err)
		}
		e.Close()
		_ = x.Close()
	}
}

func TestRun_AWriterThatKnowsTheOrderAsItWasIsToldThatItHasMoved(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.done("a")
	history, err := r.books.History(r.within(), tenant, "a")
	if err != nil {
		t.Fatal(err)
	}
	r.run()
	for i := range history {
		e, expected := *history[i].Event, uint64(0)
		if e.N > 1 {
			expected = history[i-1].Seq
		}
		e.Time = e.Time.Add(time.Second)
		if _, err := r.books.Append(r.within(), &e, expected); !errors.Is(err, ledger.ErrConflict) {
			t.Errorf("event %d again: %v", e.N, err)
		}
	}
	r.forgotten("a")
}

// died ends a run at a step.
type died struct{}

// Every step is the last one of some run; after it each order is whole or
// forgotten, what is forgotten was exported, and the next run finishes it.
func TestRun_EndedAtAnyStepLeavesEachOrderWholeOrForgottenAndTheNextRunFinishes(t *testing.T) {
	t.Parallel()
	t.Run("erasing", func(t *testing.T) {
		t.Parallel()
		ends(t, newRig(t))
	})
	t.Run("purging", func(t *testing.T) {
		t.Parallel()
		ends(t, newRig(t, older))
	})
}

func ends(t *testing.T, r *rig) {
	t.Helper()
	ids := []string{"a", "b", "c"}
	for k := 1; ; k++ {
		for i := range ids {
			ids[i] = fmt.Sprintf("%c-%d", 'a'+i, k)
		}
		r.done(ids...)
		steps, path := r.dies(k)
		for _, id := range ids {
			last := r.last(id).Event
			if last.Forgotten() != (last.N == 4) || !last.Forgotten() && last.State != messages.Succeeded {
				t.Errorf("ended at %v: %s is neither whole nor forgotten: %+v", steps, id, last)
			}
			if !last.Forgotten() {
				if h, err := r.books.History(r.within(), tenant, id); err != nil || len(h) != 3 {
					t.Errorf("ended at %v: %s has %d events, %v", steps, id, len(h), err)
				}
			} else if x := r.exported(path)["acme/"+id]; len(x.Events) != 3 {
				t.Errorf("ended at %v: %s is forgotten and was not exported: %+v", steps, id, x)
			}
		}
		r.run()
		r.forgotten(ids...)
		if _, finding, err := fence.Inspect(r.within(), r.js); err != nil || finding != "" {
			t.Errorf("ended at %v: the fence finds %q, %v", steps, finding, err)
		}
		if i := r.events(); i.State.LastSeq-i.State.Msgs != uint64(9*k) || i.Config.Metadata[fence.MetaErased] != fmt.Sprint(9*k) {
			t.Errorf("ended at %v: %d are gone, %s were counted", steps, i.State.LastSeq-i.State.Msgs, i.Config.Metadata[fence.MetaErased])
		}
		if len(steps) < k { // it came to its end
			if !slices.Contains(steps, "erase") || !slices.Contains(steps, "erased") || k < 8 {
				t.Errorf("these steps were passed: %v", steps)
			}
			return
		}
	}
}

// dies begins a run that ends before its k-th step, and leaves behind what a
// process leaves that is killed.
func (r *rig) dies(k int) (steps []string, path string) {
	r.t.Helper()
	e := r.eraser(func(o *forget.Options) {
		o.At(func(step string) {
			if steps = append(steps, step); len(steps) == k {
				panic(died{})
			}
		})
	})
	defer e.Abandon()
	path = filepath.Join(r.t.TempDir(), "export.jsonl")
	ctx := r.within()
	if err := e.Take(ctx); err != nil {
		r.t.Fatal(err)
	}
	found, err := e.Find(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	x, err := forget.CreateExport(path)
	if err != nil {
		r.t.Fatal(err)
	}
	func() {
		defer func() {
			if v := recover(); v != nil {
				if _, ours := v.(died); !ours {
					panic(v)
				}
			}
		}()
		if _, err := e.Run(ctx, found, x); err != nil {
			r.t.Error(err)
		}
	}()
	return steps, path
}

func TestTake_OneRunAtATimeAndADeadOneIsWaitedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.eraser()
	if err := first.Take(r.within()); err != nil {
		t.Fatal(err)
	}
	waits := make(chan string, 100)
	second := r.eraser(func(o *forget.Options) { o.By, o.Waits = "bob", func(by string) { waits <- by } })
	defer second.Close()
	taken := make(chan error, 1)
	go func() { taken <- second.Take(r.within()) }()
	for range 3 { // it sees it renewed again and again
		select {
		case by := <-waits:
			if by != "ada" {
				t.Errorf("it waits for %q", by)
			}
		case err := <-taken:
			t.Fatalf("it took the lease of a run that lives: %v", err)
		}
	}
	first.Abandon()
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
}

func TestRun_ARunWhoseLeaseWasTakenDoesNothingMore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.done("a")
	e := r.eraser()
	defer e.Close()
	if err := e.Take(r.within()); err != nil {
		t.Fatal(err)
	}
	found, err := e.Find(r.within())
	if err != nil {
		t.Fatal(err)
	}
	kv, err := r.js.KeyValue(r.within(), messages.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(r.within(), "lease.forget", `{"owner":"another","by":"bob"}`); err != nil {
		t.Fatal(err)
	}
	x, err := forget.CreateExport(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(r.within(), found, x); !errors.Is(err, forget.ErrTaken) {
		t.Errorf("%v", err)
	}
	if r.last("a").Event.Forgotten() {
		t.Error("it went on")
	}
}

func TestExport_IsNeverWrittenOverAndADamagedLineIsSeen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.done("a", "b")
	_, path := r.run()
	if _, err := forget.CreateExport(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("an export is written over: %v", err)
	}
	text, err := os.ReadFile(path) //nolint:gosec // the test's own
	if err != nil {
		t.Fatal(err)
	}
	none := func(forget.Record) error { return nil }
	for name, damaged := range map[string]string{
		"changed": strings.Replace(string(text), "100.00", "900.00", 1),
		"cut":     string(text[:len(text)-20]),
	} {
		if err := forget.ReadExport(strings.NewReader(damaged), none); !errors.Is(err, forget.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
