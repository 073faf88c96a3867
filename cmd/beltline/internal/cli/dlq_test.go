package cli_test

import (
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/beltline-io/beltline/cmd/beltline/internal/cli"
	"github.com/beltline-io/beltline/cmd/beltline/internal/deadletters"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// buried is a server with n dead letters on it.
func buried(t *testing.T, n int) (environ map[string]string, left func() int) {
	t.Helper()
	server := natstest.Start(t, natstest.WithListener())
	js := server.JS(t)
	if _, err := topology.Setup(t.Context(), js, topology.Default()); err != nil {
		t.Fatal(err)
	}
	q := queue.New(js)
	for i := range n {
		err := q.Bury(t.Context(), "dlq.orders.acme", []byte("{}"), messages.ReasonInvalidOrder, "", fmt.Sprintf("ORDERS:%d:orders.acme.submit", i), "")
		if err != nil {
			t.Fatal(err)
		}
	}
	return map[string]string{"NATS_URL": server.URL()}, func() int {
		box, err := deadletters.Open(t.Context(), js)
		if err != nil {
			t.Fatal(err)
		}
		all, _, err := box.Collect(t.Context(), deadletters.Filter{}, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
}

// typing runs a command as a person does who types.
func typing(t *testing.T, environ map[string]string, typed io.Reader, args ...string) *running {
	t.Helper()
	return beginAs(t, cli.Process{
		Process: app.Process{Args: args, Environ: environ, Terminal: true}, Stdin: typed, StdinTerminal: true, StdoutTerminal: true,
	})
}

func TestDLQ_ManyAreReplayedOrDroppedOnlyOnceTheirNumberWasConfirmed(t *testing.T) {
	t.Parallel()
	environ, left := buried(t, 3)
	for typed, code := range map[string]int{"no\n": 1, "\n": 1, "y\n": 1, "": 1} {
		for _, verb := range []string{"replay", "drop"} {
			r := typing(t, environ, strings.NewReader(typed), "dlq", verb, "--tenant", "acme")
			r.ends(code)
			r.stderr.shows(t, "This would "+verb+" 3 dead letters, from 1 to 3. Type yes to do it: ")
			r.stderr.shows(t, "nothing was done: it was not confirmed")
		}
	}
	if n := left(); n != 3 {
		t.Fatalf("%d letters are left of 3", n)
	}
	r := typing(t, environ, strings.NewReader("yes\n"), "dlq", "replay", "--tenant", "acme", "--before", "0s", "--keep")
	r.ends(0)
	r.stderr.shows(t, "3 replayed$")
	if n := left(); n != 3 {
		t.Errorf("%d letters were kept of 3", n)
	}
	r = typing(t, environ, strings.NewReader("Yes\n"), "dlq", "drop", "--reason", "invalid_order")
	r.ends(0)
	r.stderr.shows(t, "3 dropped$")
	if n := left(); n != 0 {
		t.Errorf("%d letters are left of those that were dropped", n)
	}
}

func TestDLQ_ASignalEndsTheQuestionAndNothingIsDone(t *testing.T) {
	t.Parallel()
	environ, left := buried(t, 2)
	typed, keyboard := io.Pipe()
	t.Cleanup(func() { _ = keyboard.Close() })
	r := typing(t, environ, typed, "dlq", "drop", "--tenant", "acme")
	r.stderr.shows(t, "Type yes")
	r.signals <- syscall.SIGINT
	r.ends(app.ExitSignal)
	if n := left(); n != 2 {
		t.Errorf("%d letters are left of 2", n)
	}
}

// Progress is for terminals, and for nobody else.
func TestDLQ_LongWorkTellsItsProgressOnATerminalOnly(t *testing.T) {
	t.Parallel()
	environ, left := buried(t, 40)
	r := must(t, environ, 0, "", "dlq", "list", "--limit", "0", "-o", "json")
	if text := r.stderr.String(); text != "40 dead letters\n" {
		t.Errorf("%q", text)
	}
	if n := strings.Count(r.stdout.String(), "\n"); n != 40 {
		t.Errorf("%d lines", n)
	}
	r = beginAs(t, cli.Process{Process: app.Process{
		Args: []string{"dlq", "drop", "--kind", "orders", "--yes"}, Environ: environ, Terminal: true,
	}})
	r.ends(0)
	r.stderr.shows(t, `\r(\d+ of 40|1 found, 39 to look at)`)
	r.stderr.shows(t, "40 dropped$")
	if n := left(); n != 0 {
		t.Errorf("%d letters are left", n)
	}
}
