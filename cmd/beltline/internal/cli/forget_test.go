package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// ended is a server with orders on it that have ended, two events each.
func ended(t *testing.T, ids ...string) (environ map[string]string, last func(id string) *messages.Event) {
	t.Helper()
	server := natstest.Start(t, natstest.WithListener())
	js := server.JS(t)
	if _, err := topology.Setup(t.Context(), js, topology.Default()); err != nil {
		t.Fatal(err)
	}
	books, err := ledger.Open(t.Context(), js.Conn(), js, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(books.Close)
	for _, id := range ids {
		first, _ := order.Apply(nil, order.Change{Input: order.Accept, At: time.Now(), New: &order.Submission{
			Tenant: "acme", OrderID: id, Provider: messages.BalanceSteam, Kind: messages.Topup, Order: json.RawMessage(`{"v":1}`),
		}})
		seq, err := books.Append(t.Context(), first, 0)
		if err != nil {
			t.Fatal(err)
		}
		second, _ := order.Apply(first, order.Change{Input: order.CancelRequest, At: time.Now()})
		if _, err := books.Append(t.Context(), second, seq); err != nil {
			t.Fatal(err)
		}
	}
	return map[string]string{"NATS_URL": server.URL()}, func(id string) *messages.Event {
		e, err := books.Last(t.Context(), "acme", id)
		if err != nil {
			t.Fatal(err)
		}
		return e.Event
	}
}

func TestForget_ErasesOnlyOnceItsNumberWasConfirmed(t *testing.T) {
	t.Parallel()
	environ, last := ended(t, "a", "b")
	file := filepath.Join(t.TempDir(), "x.jsonl")
	args := []string{"forget", "--older-than", "0s", "--export", file, "--by", "ada"}
	for _, typed := range []string{"no\n", "\n", "y\n", ""} {
		r := typing(t, environ, strings.NewReader(typed), args...)
		r.ends(app.ExitFailure)
		r.stderr.shows(t, "This would erase 2 orders with 4 events from the ledger for good; they go into ")
		r.stderr.shows(t, "nothing was done: it was not confirmed")
	}
	if _, err := os.Stat(file); err == nil || last("a").Forgotten() || last("b").Forgotten() {
		t.Error("something was done")
	}
	r := typing(t, environ, strings.NewReader("yes\n"), args...)
	r.ends(app.ExitOK)
	r.stderr.shows(t, "2 orders forgotten, 4 events erased; exported to ")
	if !last("a").Forgotten() || !last("b").Forgotten() {
		t.Error("it was not done")
	}
}

// heldInput is what nobody types.
type heldInput struct{ ctx <-chan struct{} }

func (h heldInput) Read([]byte) (int, error) { <-h.ctx; return 0, os.ErrClosed }

func TestForget_ASignalEndsTheQuestionAndTheNextRunNeedNotWait(t *testing.T) {
	t.Parallel()
	environ, last := ended(t, "a")
	file := filepath.Join(t.TempDir(), "x.jsonl")
	args := []string{"forget", "--older-than", "0s", "--export", file, "--by", "ada"}
	r := typing(t, environ, heldInput{t.Context().Done()}, args...)
	r.stderr.shows(t, "Type yes to do it: ")
	r.signals <- syscall.SIGINT
	r.ends(app.ExitSignal)
	if last("a").Forgotten() {
		t.Error("something was done")
	}
	again := must(t, environ, app.ExitOK, "", append(args, "--yes")...)
	if strings.Contains(again.stderr.String(), "is waited for") {
		t.Errorf("the lease was left: %s", again.stderr)
	}
}
