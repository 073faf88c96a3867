package hooks_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// traces are all that a notification can leave behind.
type traces struct {
	events, commands, letters uint64
	lookups                   int
}

// traced counts them, once nothing is under way.
func (r *rig) traced(book *providertest.Book, ops ...string) traces {
	r.t.Helper()
	r.calm()
	c := traces{events: r.lastSeq("EVENTS"), commands: r.lastSeq("COMMANDS"), letters: r.lastSeq("DLQ")}
	for _, op := range ops {
		c.lookups += len(book.Select(providertest.Received, op))
	}
	return c
}

// mustOpen is open in a test that cannot go on without.
func (r *rig) mustOpen(w world, s script) event {
	r.t.Helper()
	first, ok := r.open(w, s)
	if !ok {
		r.t.FailNow()
	}
	return first
}

// addressOf is the address for another order, with the token kept.
func addressOf(h hook, from, to string) hook {
	h.url = strings.Replace(h.url, "/"+from+"/", "/"+to+"/", 1)
	return h
}

// withoutToken cuts the last part off the address.
func withoutToken(h hook) hook {
	h.url = h.url[:strings.LastIndex(h.url, "/")]
	return h
}

// mustLeaveNoTrace sends forged notifications of an order about which there is
// news that nobody has told, so that a single lookup would show; and then the
// genuine one, which does.
func (r *rig) mustLeaveNoTrace(w world, s, other script, count func() traces) {
	r.t.Helper()
	first := r.mustOpen(w, s)
	r.mustOpen(w, other)
	w.advance(first, s, s.path[0])
	before := count()
	genuine := w.genuine(first)
	for n := range 12 {
		s.forgery = n
		r.mustRefuse(w.forged(first, s))
	}
	r.mustRefuse(wrongToken(genuine))
	r.mustRefuse(withoutToken(genuine))
	r.mustRefuse(addressOf(genuine, s.id, other.id))
	r.mustRefuse(addressOf(genuine, tenant, "globex"))
	if after := count(); after != before {
		r.t.Errorf("forged notifications left traces: %+v, before them %+v\n%s", after, before, story(r.feed.events(s.id)))
	}
	r.mustTake(genuine)
	r.showsAt(w, s, 0)
	if after := count(); after.lookups != before.lookups+1 || after.events != before.events+1 {
		r.t.Errorf("one genuine notification: %+v, before it %+v", after, before)
	}
}

func TestSkinsBack_ForgedNotificationsWriteNothingAndAskNothing(t *testing.T) {
	t.Parallel()
	r, d := startSkinsBack(t, 2, nil, nil)
	r.mustLeaveNoTrace(d, script{id: "ord-a", n: 1, path: []string{skinsbacktest.Success}}, script{id: "ord-b", n: 2},
		func() traces { return r.traced(d.shop.Book(), skinsbacktest.OpStatus) })
}

func TestExchanger_ForgedCallbacksWriteNothingAndAskNothing(t *testing.T) {
	t.Parallel()
	r, b := startExchanger(t, 2, nil)
	r.mustLeaveNoTrace(b, script{id: "ord-a", n: 1, path: []string{"payed"}}, script{id: "ord-b", n: 2},
		func() traces { return r.traced(b.shop.Book(), exchangertest.OpBidInfo, exchangertest.OpExchanges) })
}

func TestExchanger_ACallbackWithTheTokenThatLiesIsOnlyAQuestion(t *testing.T) {
	t.Parallel()
	r, b := startExchanger(t, 2, nil)
	s := script{id: "ord-a", n: 1, path: []string{"payed"}}
	first := r.mustOpen(b, s)
	b.advance(first, s, "payed")
	r.mustTake(b.genuine(first))
	r.showsAt(b, s, 0)
	count := func() traces { return r.traced(b.shop.Book(), exchangertest.OpBidInfo, exchangertest.OpExchanges) }
	before := count()
	for _, lie := range []string{"success", "cancel", "error", "new", "my1"} {
		r.mustTake(b.says(s.n, lie))
	}
	after := count()
	if after.events != before.events || after.letters != before.letters || after.lookups != before.lookups+5 {
		t.Errorf("five lies: %+v, before them %+v\n%s", after, before, story(r.feed.events(s.id)))
	}
}

// tokenOf makes the token of an address by code of our own.
func tokenOf(provider, tenant, id string) string {
	mac := hmac.New(sha256.New, []byte(hookSecret))
	mac.Write([]byte(provider + "\x00" + tenant + "\x00" + id))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac.Sum(nil)[:20]))
}

func TestSkinsBack_ANotificationOfAnUnknownOrderIsKeptAsADeadLetter(t *testing.T) {
	t.Parallel()
	r, d := startSkinsBack(t, 1, nil, nil)
	s := script{id: "ord-a", n: 1, path: []string{skinsbacktest.Success}}
	first := r.mustOpen(d, s)
	h := d.genuine(first)
	if want := "/hook/skinsback/acme/" + s.id + "/" + tokenOf("skinsback", tenant, s.id); !strings.HasSuffix(h.url, want) {
		t.Fatalf("the address of the order is %s, not …%s", h.url, want)
	}
	count := func() traces { return r.traced(d.shop.Book(), skinsbacktest.OpStatus) }
	before := count()
	h.url = r.public.URL + "/hook/skinsback/acme/ord-nobody/" + tokenOf("skinsback", tenant, "ord-nobody")
	r.mustTake(h) // the answer tells nobody which orders exist
	r.mustTake(h) // and twice is not twice
	after := count()
	before.letters++
	if after != before {
		t.Errorf("got %+v, want one letter more: %+v", after, before)
	}
	letter := r.letters()[0]
	if letter.Subject != "dlq.hooks.skinsback" || letter.Header.Get("Beltline-Reason") != "unknown_order" ||
		letter.Header.Get("Beltline-Order-Id") != "ord-nobody" || string(letter.Data) != h.body {
		t.Errorf("the letter is %s %v %s", letter.Subject, letter.Header, letter.Data)
	}
}
