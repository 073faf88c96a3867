package worker_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// teller is a shop whose calls leave records, as the transport makes them.
type teller struct {
	*shop
	long int // bytes of each record's text

	mu sync.Mutex
	n  int
}

func (s *teller) tell(ctx context.Context, op, purpose string) {
	s.mu.Lock()
	s.n++
	op = fmt.Sprintf("%s-%d", op, s.n)
	s.mu.Unlock()
	sent := messages.Stamp(time.Now())
	providers.RecorderOf(ctx).Add(func(sealed bool) messages.HTTPRecord {
		return messages.HTTPRecord{Op: fmt.Sprintf("%s sealed=%v", op, sealed), Purpose: purpose, SentAt: &sent,
			Request: messages.HTTPBody{Text: strings.Repeat("x", s.long)}}
	})
}

func (s *teller) Prepare(ctx context.Context, o providers.Order) (providers.Plan, error) {
	s.tell(ctx, "quote", messages.PurposeRead)
	return s.shop.Prepare(ctx, o)
}

func (s *teller) Place(ctx context.Context, o providers.Order, p providers.Plan) (providers.Answer, error) {
	s.tell(ctx, "create", messages.PurposeCreate)
	return s.shop.Place(ctx, o, p)
}

func (s *teller) Lookup(ctx context.Context, o providers.Order) (providers.Answer, error) {
	s.tell(ctx, "look", messages.PurposeRead)
	return s.shop.Lookup(ctx, o)
}

// tellings lists, for each event of an order, the records that it bears.
func (b *bench) tellings(id string) string {
	b.t.Helper()
	history, err := b.ledger.History(b.t.Context(), tenant, id)
	if err != nil {
		b.t.Fatal(err)
	}
	var text []string
	for _, entry := range history {
		line := string(entry.Event.Type) + ":"
		for _, r := range messages.HTTPRecords(entry.Event) {
			line += fmt.Sprintf(" %s@%d", strings.TrimSuffix(r.Op, " sealed=false"), r.Attempt)
		}
		text = append(text, line)
	}
	return strings.Join(text, "\n")
}

func (b *bench) tells(id, want string) {
	b.t.Helper()
	if got := b.tellings(id); got != want {
		b.t.Errorf("%s tells\n%s\nwant\n%s", id, got, want)
	}
}

func TestEvidence_EachCallIsRecordedInTheEventThatFollowsIt(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), &teller{shop: newShop()}
	s.next(step{err: errPrice}, step{buy: true, answer: &providers.Answer{Status: providers.StatusProcessing, Ref: map[string]string{"order_id": "7"}}})
	s.onLookup = func(n int) (providers.Answer, error) {
		a := providers.Answer{Status: providers.StatusProcessing}
		if n >= 3 {
			a = providers.Answer{Status: providers.StatusSucceeded, Finality: messages.Final, Deliverable: []byte(`{}`)}
		}
		return a, nil
	}
	b.workWith(s, b.options(messages.GamesDrop, "w1"), providertest.Unlimited{})
	b.submit(offer("o1"))
	b.ends("o1")
	b.tells("o1", "accepted:\nplacing:\nretrying: create-2@1\nplacing: create-2@1\nprocessing: create-2@1 create-4@2\n"+
		"succeeded: create-2@1 create-4@2 look-7@2")
}

func TestEvidence_ARefusalBeforeTheIntentBearsTheQuestionsThatLedToIt(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), &teller{shop: newShop()}
	s.prepare = []error{&providers.Error{Op: "shop.check", Class: providers.Rejected, Code: providers.CodeAccountRefused}}
	b.workWith(s, b.options(messages.GamesDrop, "w1"), providertest.Unlimited{})
	b.submit(offer("o1"))
	b.ends("o1")
	b.tells("o1", "accepted:\nfailed: quote-1@0")
}

func TestEvidence_OfASealedOrderIsMadeForAllEyes(t *testing.T) {
	t.Parallel()
	pair, err := nkeys.CreateCurveKeys()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	b, s := newBench(t), &teller{shop: newShop()}
	b.workWith(s, b.options(messages.GamesDrop, "w1"), providertest.Unlimited{})
	o := offer("o1")
	o.Raw = []byte(strings.Replace(string(o.Raw), `"v":1`, `"v":1,"seal_to":"`+public+`"`, 1))
	b.submit(o)
	b.ends("o1")
	b.tells("o1", "accepted:\nplacing:\nsucceeded: create-2 sealed=true@1")
}

func TestEvidence_AnOperatorSeesTheLostCallAndTheRepeatThatMetIt(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), &teller{shop: newShop()}
	s.next(step{buy: true, err: errTimeout}, step{buy: true})
	b.workWith(s, b.options(messages.GamesDrop, "w1"), providertest.Unlimited{})
	b.submit(offer("o1"))
	b.until("what the operator is told", func(e *messages.Event) bool { return e.NeedsOperator && e.Evidence["witness"] != nil })
	b.tells("o1", "accepted:\nplacing:\nunresolved: create-2@1\nplacing: create-2@1\n"+
		"unresolved: create-2@1 create-3@2\nunresolved: create-2@1 create-3@2")
}

func TestEvidence_AnOutcomeIsStoredWithoutRecordsThatAreTooLongForAnEvent(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), &teller{shop: newShop(), long: 200 << 10}
	b.workWith(s, b.options(messages.GamesDrop, "w1"), providertest.Unlimited{})
	b.submit(offer("o1"))
	if e := b.ends("o1"); e.State != messages.Succeeded || e.ProviderRef["order_id"] == "" || e.Evidence["left_out"] != nil {
		t.Errorf("%s %v %v", e.State, e.ProviderRef, e.Evidence)
	}
	b.tells("o1", "accepted:\nplacing:\nsucceeded:")
}
