package providertest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

func TestFaults_PlannedOnesComeInOrderAndOnlyAsOften(t *testing.T) {
	t.Parallel()
	f := providertest.NewFaults(1)
	f.Once("buy", providertest.Status(500))
	f.Next("buy", 2, providertest.TooMany(time.Second))
	f.Once(providertest.Any, providertest.Fault{Kind: providertest.HTML})
	var got []string
	for _, op := range []string{"buy", "buy", "buy", "buy", "buy"} {
		if fault, ok := f.Take(op); ok {
			got = append(got, fault.String())
		}
	}
	if diff := cmp.Diff([]string{"status_500", "too_many", "too_many", "html"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestFaults_ChanceFollowsTheSeed(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) string {
		f := providertest.NewFaults(seed)
		f.Percent("buy", 30, providertest.Status(500), providertest.Fault{Kind: providertest.Empty})
		var b strings.Builder
		for range 1000 {
			fault, ok := f.Take("buy")
			if !ok {
				fault.Kind = "-"
			}
			b.WriteString(fault.String())
		}
		return b.String()
	}
	a := run(7)
	if a != run(7) || a == run(8) {
		t.Error("the seed does not decide")
	}
	if n := 1000 - strings.Count(a, "-"); n < 200 || n > 400 {
		t.Errorf("%d of 1000 faults at 30 percent", n)
	}
	f := providertest.NewFaults(1)
	f.Percent("buy", 100, providertest.Status(500))
	f.Clear()
	if _, ok := f.Take("buy"); ok {
		t.Error("a fault after Clear")
	}
}

type shop struct {
	*httptest.Server
	door *providertest.Door
}

func openShop(t *testing.T, books io.Writer) shop {
	t.Helper()
	var d *providertest.Door
	d = providertest.NewDoor(providertest.NewBook(books), providertest.NewFaults(1),
		func(r *http.Request) string { _ = r.ParseForm(); return r.Form.Get("op") },
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			if !strings.Contains(string(b), "op=") {
				http.Error(w, "no body", http.StatusBadRequest)
				return
			}
			d.Commit(r.Context(), providertest.Entry{OrderKey: "user", Amount: "1.50", ID: "7"})
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"error":false,"id":7}`)
		}))
	s := httptest.NewServer(d)
	t.Cleanup(func() { d.Close(); s.Close() })
	return shop{s, d}
}

func (s shop) buy(t *testing.T, ctx context.Context) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, strings.NewReader("op=buy"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res, string(b), err
}

func TestDoor_PlaysEveryFault(t *testing.T) {
	t.Parallel()
	cases := []struct {
		fault  providertest.Fault
		commit bool
		status int
		body   string // what the body begins with
	}{
		{providertest.Fault{Kind: providertest.HTML}, true, 200, "<!doctype"},
		{providertest.Fault{Kind: providertest.HTML}.BeforeCommit(), false, 200, "<!doctype"},
		{providertest.Fault{Kind: providertest.Empty}, true, 200, ""},
		{providertest.Fault{Kind: providertest.Huge}, true, 200, `{"error":false,"id":7}   `},
		{providertest.Fault{Kind: providertest.WrongTypes}, true, 200, `{"error":[false],"id":[7]}`},
		{providertest.Fault{Kind: providertest.DuplicateKeys}, true, 200, `{"error":false,"id":7,"error":null}`},
		{providertest.Fault{Kind: providertest.Echo}, true, 200, "cannot handle POST /"},
		{providertest.Status(503), false, 503, "<!doctype"},
		{providertest.Status(503).AfterCommit(), true, 503, "<!doctype"},
		{providertest.Fault{Kind: providertest.StatusWithBody, Status: 502}, true, 502, `{"error":false`},
		{providertest.TooMany(30 * time.Second), false, 429, ""},
		{providertest.Redirect(307), false, 307, ""},
		{providertest.Fault{Kind: providertest.Slow, Delay: time.Millisecond}, true, 200, `{"error":false`},
	}
	for _, c := range cases {
		t.Run(c.fault.String(), func(t *testing.T) {
			t.Parallel()
			s := openShop(t, nil)
			s.door.Faults.Once("buy", c.fault)
			res, body, err := s.buy(t, t.Context())
			if err != nil || res.StatusCode != c.status || !strings.HasPrefix(body, c.body) {
				t.Errorf("got %v, %.60q, %v", res, body, err)
			}
			if got := len(s.door.Book.Purchases()) == 1; got != c.commit {
				t.Errorf("committed %v, want %v", got, c.commit)
			}
			if answered := s.door.Book.Select(providertest.Answered, "buy"); len(answered) != 1 || answered[0].Fault != c.fault.String() {
				t.Errorf("the book has %+v", answered)
			}
		})
	}
}

func TestDoor_LeavesARequestWithoutAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind   providertest.FaultKind
		commit int
		check  func(error) bool
	}{
		{providertest.TimeoutBeforeCommit, 0, isDeadline},
		{providertest.TimeoutAfterCommit, 1, isDeadline},
		{providertest.ResetBeforeCommit, 0, isReset},
		{providertest.ResetAfterCommit, 1, isReset},
		{providertest.Truncated, 1, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			t.Parallel()
			s := openShop(t, nil)
			s.door.Faults.Once("buy", providertest.Fault{Kind: c.kind})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if c.kind == providertest.TimeoutBeforeCommit || c.kind == providertest.TimeoutAfterCommit {
				ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
			}
			if _, _, err := s.buy(t, ctx); !c.check(err) {
				t.Errorf("got %v", err)
			}
			if got := len(s.door.Book.Purchases()); got != c.commit {
				t.Errorf("%d purchases, want %d", got, c.commit)
			}
		})
	}
}

func isDeadline(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
func isReset(err error) bool    { return errors.Is(err, syscall.ECONNRESET) }

func TestBook_HoldsEveryPhaseAndIsWrittenAsItHappens(t *testing.T) {
	t.Parallel()
	var written bytes.Buffer
	s := openShop(t, &written)
	if _, _, err := s.buy(t, t.Context()); err != nil {
		t.Fatal(err)
	}
	var phases []providertest.Phase
	for _, e := range s.door.Book.Entries() {
		if e.Op != "buy" || e.Request != 1 || e.Time.IsZero() {
			t.Errorf("incomplete entry %+v", e)
		}
		phases = append(phases, e.Phase)
	}
	if diff := cmp.Diff([]providertest.Phase{"received", "committed", "answered"}, phases); diff != "" {
		t.Error(diff)
	}
	var dump bytes.Buffer
	if err := s.door.Book.DumpJSON(&dump); err != nil || dump.String() != written.String() {
		t.Errorf("dump and what was written as it happened differ: %v\n%s\n%s", err, dump.String(), written.String())
	}
	var e providertest.Entry
	if err := json.Unmarshal(bytes.Split(dump.Bytes(), []byte("\n"))[1], &e); err != nil || e.Amount != "1.50" || e.OrderKey != "user" {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestBook_WaitSeesPastAndFutureEntries(t *testing.T) {
	t.Parallel()
	b := providertest.NewBook(nil)
	is := func(id string) func(providertest.Entry) bool {
		return func(e providertest.Entry) bool { return e.ID == id }
	}
	b.Append(providertest.Entry{ID: "1"})
	if _, err := b.Wait(t.Context(), is("1")); err != nil {
		t.Error(err)
	}
	found := make(chan error)
	go func() { _, err := b.Wait(t.Context(), is("3")); found <- err }()
	b.Append(providertest.Entry{ID: "2"})
	b.Append(providertest.Entry{ID: "3"})
	if err := <-found; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Wait(ctx, is("4")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
