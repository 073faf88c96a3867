package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// outcome is one line of the tables of contract.md part 4, seen from outside:
// an order, what befalls it, and what its events must say.
type outcome struct {
	env     map[string]string
	front   func(*local) http.Handler // stands before GamesDrop
	prepare func(*local)              // before the order is given
	order   plan
	// types are the types of the order's events up to its end; empty where how
	// often something is tried is a matter of time.
	types string
	// said is what the first event of type in must say; final if in is empty.
	in   string
	said map[string]string // path → value
	// final is the state of the end; operator: it is the operator's.
	final    string
	operator bool
	bought   int
	requests int // to the shops; -1 where it does not matter
	then     func(*local, plan)
}

// check runs one line by itself, on a pipeline of its own.
func (o outcome) check(t *testing.T) {
	t.Helper()
	l := newLocal(t, o.env)
	if o.front != nil {
		front := httptest.NewServer(o.front(l))
		t.Cleanup(front.Close)
		l.dropURL = front.URL
	}
	l.startAll()
	if o.prepare != nil {
		o.prepare(l)
	}
	l.up.submit(o.order.tenant, o.order.body)
	if o.then != nil {
		o.then(l, o.order)
	}
	last := l.up.awaitFinal(o.order.key())
	events := l.up.events(o.order.key())
	// What comes after the end, such as evidence for the operator, is not timed.
	events = events[:last.n()]
	if o.types != "" && typesOf(events) != o.types {
		t.Errorf("the events are %q, not %q", typesOf(events), o.types)
	}
	if last.state() != o.final || last.needsOperator() != o.operator {
		t.Errorf("ended %s, needs_operator %v", last.state(), last.needsOperator())
	}
	said := last
	if o.in != "" {
		i := slices.IndexFunc(events, func(e event) bool { return e.typ() == o.in })
		if i < 0 {
			t.Fatalf("no %s in\n%s", o.in, story(events))
		}
		said = events[i]
	}
	for path, want := range o.said {
		if got := said.text(path); got != want {
			t.Errorf("%s is %q, not %q", path, got, want)
		}
	}
	l.mustHaveBought(o.order.account, o.bought)
	if got := len(l.steam.Door().Book.Select(providertest.Received, "")) + len(l.drop.Book().Select(providertest.Received, "")); o.requests >= 0 && got != o.requests {
		t.Errorf("%d requests to the shops, not %d", got, o.requests)
	}
	if faults := ends(o.order, events); len(faults) > 0 && !(last.text("provider") == "" || last.text("kind") == "") {
		t.Errorf("%v", faults)
	}
	if t.Failed() {
		t.Logf("its events:\n%s", story(events))
	}
}

// checkAll runs a table; each line has a name that is a sentence.
func checkAll(t *testing.T, table map[string]outcome) {
	t.Helper()
	for name, o := range table {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.check(t)
		})
	}
}

// failure is what an event says of an error.
func failure(class, code string) map[string]string {
	return map[string]string{"error.class": class, "error.code": code}
}

// with adds to what an event must say.
func with(said map[string]string, more ...string) map[string]string {
	for i := 0; i+1 < len(more); i += 2 {
		said[more[i]] = more[i+1]
	}
	return said
}
