package programs_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/internal/programs/programstest"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
)

const patience = time.Minute

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer].
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) find(pattern string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := regexp.MustCompile(pattern).FindStringSubmatch(l.text.String()); m != nil {
		return m[1]
	}
	return ""
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

// page reads a page of a program's own server.
func page(t *testing.T, addr, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// start starts a program, and returns its log and address.
func start(t *testing.T, p app.Program, env map[string]string) (*lines, string) {
	t.Helper()
	log := &lines{}
	return log, programstest.Ready(t, p, app.Process{Environ: env, Stdout: log, Stderr: log}).HTTPAddr
}

// Whoever runs the programs must see that nothing is bought, and why, without
// reading the ledger; and it must end when somebody has cleared it.
func TestFence_AStoppedWorkerSaysSoWhereItIsLookedFor(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.WithListener())
	shop := balancesteamtest.New()
	t.Cleanup(shop.Close)
	env := map[string]string{
		"NATS_URL": srv.URL(), "EVENTS_MAX_BYTES": "64MiB", "ORDERS_MAX_BYTES": "64MiB", "DLQ_MAX_BYTES": "64MiB",
		"BALANCESTEAM_URL": shop.URL(), "BALANCESTEAM_API_KEY": balancesteamtest.APIKey,
	}
	dispatcher := map[string]string{}
	for _, name := range []string{"NATS_URL", "EVENTS_MAX_BYTES", "ORDERS_MAX_BYTES", "DLQ_MAX_BYTES"} {
		dispatcher[name] = env[name]
	}
	_, door := start(t, programs.Dispatcher(), dispatcher)
	log, addr := start(t, programs.BalanceSteam(), env)

	js := srv.JS(t)
	fence.New(js.Conn(), js, fence.Options{Instance: "another"}).Surprised(t.Context(), "a shop knows order acme/a")
	eventually(t, "the worker to say why it is not ready", func() bool {
		return strings.Contains(page(t, addr, "/readyz"), "a shop knows order acme/a")
	})
	if !strings.Contains(page(t, addr, "/metrics"), "beltline_fence_tripped 1") {
		t.Error("no metric says so")
	}
	if log.find(`"level":"error"[^\n]*(buying is stopped)`) == "" {
		t.Error("no line of the log says so")
	}
	order := `{"v":1,"id":"b","provider":"balancesteam","kind":"topup","params":{"login":"gordon","amount":"10.00"}}`
	if _, err := js.Publish(t.Context(), messages.OrderSubject("acme", messages.SubmitRequest), []byte(order)); err != nil {
		t.Fatal(err)
	}
	// What was accepted before may have been bought, so nobody cancels it.
	for request, body := range map[messages.Request]string{
		messages.SubmitRequest: strings.NewReplacer(`"b"`, `"c"`, "gordon", "alyx").Replace(order), messages.CancelRequest: `{"v":1,"id":"c"}`,
	} {
		if _, err := js.Publish(t.Context(), messages.OrderSubject("acme", request), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the cancel to be kept", func() bool {
		return strings.Contains(page(t, door, "/metrics"), `beltline_dispatcher_messages_total{result="waiting"}`)
	})
	if _, err := fence.Clear(t.Context(), js, "ada", "compared the books", false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the order to be bought", func() bool { return len(shop.PurchasesOf("gordon")) == 1 })
	eventually(t, "the worker to be ready", func() bool { return !strings.Contains(page(t, addr, "/readyz"), `"reason"`) })
}
