package webhook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/internal/webhook"
	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	provider = messages.SkinsBack
	tenant   = "acme"
	form     = "application/x-www-form-urlencoded"
	key      = "the key of the tokens, 0123456789"
	// providerKey signs bodies, as the provider's own secret does.
	providerKey = "the provider's own secret"
)

// journal holds what was logged.
type journal struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.String()
}

// rig is a real server with everything that a door stands on.
type rig struct {
	srv    *natstest.Server
	nc     *nats.Conn
	js     jetstream.JetStream
	ledger *ledger.Ledger
	queue  *queue.Queue
}

func newRig(t *testing.T) *rig {
	t.Helper()
	srv := natstest.Start(t)
	nc := srv.Conn(t)
	js, err := jetstream.New(nc)
	must(t, err)
	s := topology.Default()
	s.EventsMaxBytes, s.OrdersMaxBytes, s.DLQMaxBytes = 16<<20, 16<<20, 16<<20
	_, err = topology.Setup(t.Context(), js, s)
	must(t, err)
	l, err := ledger.Open(t.Context(), nc, js, ledger.Options{Timeout: time.Second})
	must(t, err)
	t.Cleanup(l.Close)
	return &rig{srv: srv, nc: nc, js: js, ledger: l, queue: queue.New(js)}
}

// order puts an order into the ledger and returns the sequence of its event.
func (r *rig) order(t *testing.T, id string) uint64 {
	t.Helper()
	return r.append(t, id, messages.Accepted, 1, 0)
}

func (r *rig) append(t *testing.T, id string, typ messages.Type, n, expected uint64) uint64 {
	t.Helper()
	seq, err := r.ledger.Append(t.Context(), &messages.Event{
		N: n, Type: typ, State: typ, Time: time.Now(), Tenant: tenant, OrderID: id,
		Provider: provider, Kind: messages.Deposit, Order: json.RawMessage(`{"v":1}`),
	}, expected)
	must(t, err)
	return seq
}

// commands returns the commands for an order, the oldest first.
func (r *rig) commands(t *testing.T, id string) []messages.Command {
	t.Helper()
	var all []messages.Command
	for _, m := range r.messages(t, messages.StreamCommands, messages.CommandSubject(provider, messages.Check, tenant, id)) {
		c, err := messages.DecodeCommand(m.Data)
		must(t, err)
		all = append(all, c)
	}
	return all
}

// dead returns the dead letters of the door.
func (r *rig) dead(t *testing.T) []*jetstream.RawStreamMsg {
	t.Helper()
	return r.messages(t, messages.StreamDLQ, messages.DeadHooks(provider))
}

func (r *rig) messages(t *testing.T, stream, subject string) []*jetstream.RawStreamMsg {
	t.Helper()
	s, err := r.js.Stream(t.Context(), stream)
	must(t, err)
	info, err := s.Info(t.Context())
	must(t, err)
	var all []*jetstream.RawStreamMsg
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq && seq > 0; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		must(t, err)
		if m.Subject == subject {
			all = append(all, m)
		}
	}
	return all
}

// events is how many messages EVENTS holds.
func (r *rig) events(t *testing.T) uint64 {
	t.Helper()
	s, err := r.js.Stream(t.Context(), messages.StreamEvents)
	must(t, err)
	info, err := s.Info(t.Context())
	must(t, err)
	return info.State.Msgs
}

// running is a door that is open until stop is called or the test ends.
type running struct {
	*webhook.Door
	log     *journal
	metrics *prometheus.Registry
	stop    func()
}

func options(edits ...func(*webhook.Options)) webhook.Options {
	o := webhook.Options{
		Provider: provider, Addr: "127.0.0.1:0", PublicURL: "http://127.0.0.1",
		Secrets: []secret.String{secret.New(key)}, Verify: verify,
	}
	for _, edit := range edits {
		edit(&o)
	}
	return o
}

func open(t *testing.T, l webhook.Ledger, q webhook.Queue, edits ...func(*webhook.Options)) *running {
	t.Helper()
	d := &running{log: &journal{}, metrics: prometheus.NewRegistry()}
	o := options(edits...)
	o.Log, o.Registerer = zerolog.New(d.log), d.metrics
	var err error
	d.Door, err = webhook.New(l, q, o)
	must(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	d.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(natstest.Patience):
			t.Error("Run did not end")
		}
	})
	t.Cleanup(d.stop)
	eventually(t, "the door is open", func() bool { return d.Ready() == nil })
	return d
}

func (r *rig) open(t *testing.T, edits ...func(*webhook.Options)) *running {
	t.Helper()
	return open(t, r.ledger, r.queue, edits...)
}

// path is the path of the order's callback, as the provider was told it.
func path(t testing.TB, d *webhook.Door, id string) string {
	t.Helper()
	u, err := url.Parse(d.CallbackURL(tenant, id))
	must(t, err)
	return u.Path
}

// answer is what came back.
type answer struct {
	status int
	body   string
	header http.Header
}

func (d *running) post(t testing.TB, path, body string) answer {
	t.Helper()
	return d.do(t, http.MethodPost, path, form, body)
}

func (d *running) do(t testing.TB, method, path, contentType, body string) answer {
	t.Helper()
	a, err := d.try(t.Context(), method, path, contentType, body)
	must(t, err)
	return a
}

func (d *running) try(ctx context.Context, method, path, contentType, body string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+d.Address(), strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.URL.Opaque = "//" + d.Address() + path // as it is: no cleaning, no escaping
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(text), resp.Header}, err
}

func (a answer) is(t testing.TB, want int) {
	t.Helper()
	if a.status != want {
		t.Errorf("answered %d %q, want %d", a.status, a.body, want)
	}
}

// counted is the metric of an outcome.
func (d *running) counted(t testing.TB, outcome string) int {
	t.Helper()
	families, err := d.metrics.Gather()
	must(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "beltline_webhook_requests_total" && l.GetName() == "outcome" && l.GetValue() == outcome {
					return int(m.GetCounter().GetValue())
				}
			}
		}
	}
	t.Errorf("outcome %q has no metric", outcome)
	return -1
}

// signed is a body as the provider sends it.
func signed(status, transaction string, more ...string) string {
	v := url.Values{"status": {status}, "transaction_id": {transaction}, "steam_id": {"76561198000000000"}}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	v.Set("sign", signature(v))
	return v.Encode()
}

func signature(v url.Values) string {
	mac := hmac.New(sha256.New, []byte(providerKey))
	for _, name := range []string{"status", "transaction_id", "steam_id"} {
		_, _ = io.WriteString(mac, v.Get(name)+";")
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// verify is a provider's verifier: it lets two fields be stored, and no other.
func verify(body []byte, contentType string) (webhook.Callback, error) {
	if contentType != form {
		return webhook.Callback{}, errors.New("unexpected type")
	}
	v, err := url.ParseQuery(string(body))
	if err != nil {
		return webhook.Callback{}, err
	}
	if !hmac.Equal([]byte(v.Get("sign")), []byte(signature(v))) {
		return webhook.Callback{}, errors.New("wrong signature " + v.Get("sign"))
	}
	return webhook.Callback{Fields: map[string]string{"status": v.Get("status"), "transaction_id": v.Get("transaction_id")}}, nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually polls cond until it holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(natstest.Patience)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("never came true: %s", what)
		}
	}
}
