package worker_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

func TestSeal_GoodsAreWrittenOnlyForTheOneWhoAskedForTheSeal(t *testing.T) {
	t.Parallel()
	upstream, err := nkeys.CreateCurveKeys()
	if err != nil {
		t.Fatal(err)
	}
	public, err := upstream.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	b, s := newBench(t), newShop()
	const goods = `{"key":"GOODS-4019"}`
	s.next(step{buy: true, answer: &providers.Answer{
		Status: providers.StatusSucceeded, Finality: messages.Final, Deliverable: json.RawMessage(goods),
	}})
	b.work(s, b.options(messages.GamesDrop, "w1"))
	o := offer("o1")
	o.Raw = json.RawMessage(strings.Replace(string(o.Raw), `"v":1`, `"v":1,"seal_to":"`+public+`"`, 1))
	b.submit(o)
	e := b.ends("o1")
	if e.State != messages.Succeeded {
		t.Fatalf("%s %+v", e.State, e.Error)
	}
	history, err := b.ledger.History(t.Context(), tenant, "o1")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range history {
		if text, _ := entry.Event.MarshalJSON(); strings.Contains(string(text), "GOODS-4019") {
			t.Errorf("%s shows the goods", entry.Event.Type)
		}
	}
	seed, err := upstream.Seed()
	if err != nil {
		t.Fatal(err)
	}
	opened, err := messages.Unseal(e.Deliverable, seed)
	if err != nil || string(opened) != goods {
		t.Errorf("opened %q, %v", opened, err)
	}
}
