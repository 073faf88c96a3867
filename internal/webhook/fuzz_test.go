package webhook_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/webhook"
	"github.com/beltline-io/beltline/pkg/messages"
)

// books is a ledger in which every order exists, and a queue that takes all.
type books struct {
	mu       sync.Mutex
	commands []messages.Command
}

func (b *books) Last(_ context.Context, tenant, id string) (*ledger.Entry, error) {
	if !messages.ValidTenant(tenant) || !messages.ValidToken(id) {
		return nil, errors.New("asked for what cannot be an order")
	}
	return &ledger.Entry{Seq: 7, Event: &messages.Event{N: 3, Provider: provider, Tenant: tenant, OrderID: id}}, nil
}

func (b *books) Send(ctx context.Context, _ messages.Provider, _ messages.Verb, c messages.Command) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b.commands = append(b.commands, c)
	return nil
}

func (b *books) Bury(context.Context, string, []byte, messages.Reason, string, string, string) error {
	return errors.New("every order exists")
}

func (b *books) sent() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.commands)
}

// genuine says by itself, without the door's code, whether a path is the
// address of an order.
func genuine(p string) (id string, ok bool) {
	parts := strings.Split(p, "/")
	if len(parts) != 6 || strings.Join(parts[:3], "/") != "/hook/"+string(provider) {
		return "", false
	}
	return parts[3] + "/" + parts[4], parts[5] == tokenOf(parts[3], parts[4])
}

func tokenOf(tenant, id string) string {
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = mac.Write([]byte(string(provider) + "\x00" + tenant + "\x00" + id))
	return strings.ToLower(base32.StdEncoding.EncodeToString(mac.Sum(nil)))[:32]
}

// FuzzDoor_Only200WithAValidTokenAndAValidSignature gives the door whole
// requests as they come from the net.
func FuzzDoor_Only200WithAValidTokenAndAValidSignature(f *testing.F) {
	good := path(f, door(f), "o-1")
	for _, p := range []string{good, good + "x", "/", strings.Replace(good, "o-1", "o-2", 1), "http://x" + good, good + "?a=b", "*"} {
		f.Add(request(p, signed("success", "77")))
		f.Add(request(p, "status=success"))
		f.Add(chunked(p, signed("fail", "78")))
	}
	f.Add([]byte("GET " + good + " HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Add([]byte("POST " + good + " HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		r.RemoteAddr = "192.0.2.1:1"
		verified := false
		b := &books{}
		d, err := webhook.New(b, b, options(func(o *webhook.Options) {
			o.Now = func() time.Time { return noon }
			o.Verify = func(body []byte, kind string) (webhook.Callback, error) {
				fields, err := verify(body, kind)
				verified = err == nil
				return fields, err
			}
		}))
		must(t, err)
		w := httptest.NewRecorder()
		d.Handler().ServeHTTP(w, r)
		switch {
		case w.Code == http.StatusInternalServerError:
			t.Fatal("the door panicked")
		case w.Code != http.StatusOK:
			if b.sent() != 0 {
				t.Fatalf("answered %d and stored", w.Code)
			}
			return
		}
		id, ok := genuine(r.URL.EscapedPath())
		if r.Method != http.MethodPost || !ok || !verified || b.sent() != 1 {
			t.Fatalf("200 for %s %q: address %v, signature %v, %d commands", r.Method, r.URL.EscapedPath(), ok, verified, b.sent())
		}
		if c := b.commands[0]; c.Tenant+"/"+c.OrderID != id || c.Seq != 7 || c.N != 3 {
			t.Fatalf("command %+v for %s", c, id)
		}
	})
}
