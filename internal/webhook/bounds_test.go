package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/internal/webhook"
	"github.com/beltline-io/beltline/pkg/messages"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// sent is the size of a hint as it leaves in a command.
func sent(t interface{ Fatal(...any) }, h json.RawMessage) (int, map[string]string) {
	body := messages.Command{V: 1, Tenant: tenant, OrderID: "o-1", Seq: 1, N: 1, Hint: h}.Encode()
	c, err := messages.DecodeCommand(body)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]string
	if err := json.Unmarshal(c.Hint, &fields); err != nil {
		t.Fatal(err)
	}
	return len(c.Hint), fields
}

func TestHint_IsSmallWhateverTheProviderSends(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		fields := map[string]string{}
		for range rapid.IntRange(0, 80).Draw(t, "fields") {
			raw := rapid.SliceOfN(rapid.Byte(), 0, 300)
			fields[string(raw.Draw(t, "key"))] = string(raw.Draw(t, "value"))
		}
		size, kept := sent(t, webhook.Hint(fields, noon))
		if size > webhook.MaxHintBytes {
			t.Fatalf("%d bytes", size)
		}
		if kept["received_at"] != "2026-11-21T12:00:00Z" {
			t.Fatalf("received at %q", kept["received_at"])
		}
		for k, v := range kept {
			if len(k) > webhook.MaxValueBytes || len(v) > webhook.MaxValueBytes || !utf8.ValidString(v) {
				t.Fatalf("%q: %q", k, v)
			}
		}
	})
}

func TestHint_KeepsWhatFitsAsItIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOfN(rapid.StringMatching(`[a-z_]{1,20}`), rapid.StringN(0, 30, 50), 0, 8).Draw(t, "fields")
		want["received_at"] = "the provider's"
		_, got := sent(t, webhook.Hint(want, noon))
		want["received_at"] = "2026-11-21T12:00:00Z"
		if len(got) != len(want) {
			t.Fatalf("%d fields, want %d", len(got), len(want))
		}
		for k, v := range want {
			if got[k] != v {
				t.Fatalf("%q: %q, want %q", k, got[k], v)
			}
		}
	})
}

func TestHint_LeavesOutTheLongestFirst(t *testing.T) {
	t.Parallel()
	fields := map[string]string{"status": "success", "transaction_id": "77"}
	for i := range 60 {
		fields[fmt.Sprintf("a%02d", i)] = strings.Repeat("<", 200-i) // each is six bytes when it is escaped
	}
	size, kept := sent(t, webhook.Hint(fields, noon))
	if kept["status"] != "success" || kept["transaction_id"] != "77" {
		t.Errorf("the status was left out: %v", kept)
	}
	if _, long := kept["a00"]; long || kept["a59"] == "" || size < webhook.MaxHintBytes/2 {
		t.Errorf("%d bytes of %d fields are kept", size, len(kept))
	}
}

func TestHint_CutsBetweenCharacters(t *testing.T) {
	t.Parallel()
	for lead := range 4 {
		_, kept := sent(t, webhook.Hint(map[string]string{"note": strings.Repeat("x", lead) + strings.Repeat("😀", 100)}, noon))
		if got := kept["note"]; len(got) > webhook.MaxValueBytes || strings.ContainsRune(got, utf8.RuneError) || len(got) <= webhook.MaxValueBytes-4 {
			t.Errorf("%d before: cut to %q", lead, got)
		}
	}
}

func TestLimiter_NeverAllowsMoreThanItsRate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := webhook.Rate{
			Every: time.Duration(rapid.IntRange(1, 1000).Draw(t, "every")) * time.Millisecond,
			Burst: rapid.IntRange(1, 20).Draw(t, "burst"),
		}
		l, now := webhook.NewLimiter(rate, 4), noon
		var allowed []time.Time
		for range rapid.IntRange(1, 120).Draw(t, "requests") {
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "pause")) * time.Millisecond)
			if l.Allow("a", now) {
				allowed = append(allowed, now)
			}
		}
		for i := range allowed {
			for j := i; j < len(allowed); j++ {
				if most := rate.Burst + int(allowed[j].Sub(allowed[i])/rate.Every); j-i+1 > most {
					t.Fatalf("%d requests within %s, at most %d are allowed", j-i+1, allowed[j].Sub(allowed[i]), most)
				}
			}
		}
		if now = now.Add(time.Duration(rate.Burst) * rate.Every); !l.Allow("a", now) {
			t.Fatal("never recovers")
		}
	})
}

func TestLimiter_RemembersABoundedNumberOfKeys(t *testing.T) {
	t.Parallel()
	l := webhook.NewLimiter(webhook.Rate{Every: time.Hour, Burst: 1}, 100)
	if !l.Allow("kept", noon) {
		t.Error("the first was refused")
	}
	for i := range 10_000 {
		if !l.Allow(fmt.Sprint(i), noon) {
			t.Fatalf("key %d has used up nothing", i)
		}
		if l.Allow("kept", noon) {
			t.Fatal("a key in use was forgotten")
		}
	}
	if l.Keys() != 100 {
		t.Errorf("%d keys", l.Keys())
	}
}

func TestLimiter_AClockThatIsSetBackDoesNotRefuseForHours(t *testing.T) {
	t.Parallel()
	l := webhook.NewLimiter(webhook.Rate{Every: time.Second, Burst: 3}, 4)
	for range 3 {
		l.Allow("a", noon)
	}
	back := noon.Add(-6 * time.Hour)
	if l.Allow("a", back) {
		t.Error("the clock gave requests away")
	}
	if !l.Allow("a", back.Add(time.Second)) {
		t.Error("refused although its time has passed")
	}
}

func TestPeer_IsTheAddressThatCalls(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.7:4711": "192.0.2.7", "[::ffff:192.0.2.7]:4711": "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:1": "2001:db8:1:2::/64", "[2001:db8:1:2:ffff::1]:9": "2001:db8:1:2::/64",
		"[2001:db8:1:3::1]:9": "2001:db8:1:3::/64", "[fe80::1%eth0]:1": "fe80::/64", "": "", "@": "@",
	} {
		if got := webhook.Peer(remote); got != want {
			t.Errorf("%q: %q, want %q", remote, got, want)
		}
	}
}

// The context of a request ends when its caller hangs up.
func TestH6_StoringDoesNotEndWithTheRequest(t *testing.T) {
	t.Parallel()
	q := &books{}
	d, err := webhook.New(q, q, options())
	must(t, err)
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	r := httptest.NewRequestWithContext(gone, http.MethodPost, path(t, d, "o-1"), strings.NewReader(signed("success", "1")))
	r.Header.Set("Content-Type", form)
	w := httptest.NewRecorder()
	d.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK || q.sent() != 1 {
		t.Errorf("answered %d, %d commands", w.Code, q.sent())
	}
}

func TestDoor_RemembersABoundedNumberOfOrders(t *testing.T) {
	t.Parallel()
	q := &books{}
	d, err := webhook.New(q, q, options(func(o *webhook.Options) { o.Limits.Tracked = 10 }))
	must(t, err)
	for i := range 100 {
		r := httptest.NewRequest(http.MethodPost, path(t, d, fmt.Sprintf("o-%d", i)), strings.NewReader(signed("success", "1")))
		r.Header.Set("Content-Type", form)
		r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", i)
		w := httptest.NewRecorder()
		d.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Fatalf("order %d: %d", i, w.Code)
		}
	}
	if d.RememberedOrders() != 10 || q.sent() != 100 {
		t.Errorf("%d orders are remembered, %d commands sent", d.RememberedOrders(), q.sent())
	}
}

func TestOutcomes_OnlyWhatIsStoredIsAnswered200(t *testing.T) {
	t.Parallel()
	for name, status := range webhook.Outcomes() {
		kept := name == "stored" || name == "repeated" || name == "orphaned"
		if kept != (status == http.StatusOK) || http.StatusText(status) == "" {
			t.Errorf("%s is answered %d", name, status)
		}
	}
}
