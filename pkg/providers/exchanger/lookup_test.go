package exchanger_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

func TestLookup_FollowsABidToItsEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := exchangeOrder(params(exchangertest.DirectionAddress, "3000", "give"))
	placed, _ := b.buy(order)
	var got []string
	for range 6 {
		answer := b.lookup(order, placed)
		got = append(got, fmt.Sprint(answer.Evidence["bid_status"], " ", answer.Status))
	}
	want := []string{
		"new action_required", "techpay action_required", "realpay processing", "coldsuccess processing", "success succeeded", "success succeeded",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	last := b.lookup(order, placed)
	if !last.Cost.Equal(*amount("3030", "RUB")) || last.CostSource != messages.FromResponse {
		t.Errorf("cost %v %s", last.Cost, last.CostSource)
	}
	var delivered map[string]any
	if err := json.Unmarshal(last.Deliverable, &delivered); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"account_to": "TWallet1", "amount_get": map[string]any{"amount": "31.217482", "currency": "USDT"}}, delivered); diff != "" {
		t.Error(diff)
	}
}

func TestLookup_AnErrorStatusIsNeitherFailureNorRefund(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := exchangeOrder(params(exchangertest.DirectionError, "3000", "give"))
	placed, _ := b.buy(order)
	b.SetStatus(1234, "payouterror")
	got := b.lookup(order, placed)
	if got.Status != providers.StatusProcessing || got.Evidence["operator_hint"] == nil || got.Code != "" {
		t.Errorf("%+v", got)
	}
	b.SetStatus(1234, "success") // by hand
	if got := b.lookup(order, placed); got.Status != providers.StatusSucceeded {
		t.Errorf("%+v", got)
	}
}

func TestLookup_FindsABidWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	for _, side := range []string{"give", "get", "give_with_fee", "get_with_fee"} {
		for _, offset := range []time.Duration{0, 14 * time.Hour, -12 * time.Hour} {
			b := setup(t, exchangertest.WithClockOffset(offset))
			b.AddBid(exchangertest.Bid{DirectionID: exchangertest.DirectionCard, APIID: "1"})
			amounts := map[string]string{"give": "3000", "get": "31.2", "give_with_fee": "3000.01", "get_with_fee": "31.123456"}
			order := b.lose(exchangeOrder(params(exchangertest.DirectionCard, amounts[side], side)), exchangertest.OpCreateBid, providertest.ResetAfterCommit)
			b.AddBid(exchangertest.Bid{DirectionID: exchangertest.DirectionCard, APIID: "2"})
			got := b.find(order)
			bid := b.Bids()[1]
			want := map[string]string{"api_id": apiID, "id": "1235", "hash": bid.Hash}
			if diff := cmp.Diff(want, got.Ref); diff != "" || got.Status != providers.StatusActionRequired || got.Action == nil || got.Evidence["amount_changed"] != nil {
				t.Errorf("%s: %s %+v", side, diff, got)
			}
			if n := len(b.Bids()); n != 3 {
				t.Errorf("%d bids", n)
			}
		}
	}
}

func TestLookup_NeverUsesTheServersOwnFilter(t *testing.T) {
	t.Parallel()
	s := newScript(t, map[string]string{"get_exchanges": `{"error":"0","data":[]}`})
	p := s.provider(t)
	now := time.Unix(1_790_000_000, 0)
	p.SetClock(func() time.Time { return now })
	order := sample()
	order.PlacedAt = now.Add(-time.Hour)
	got, err := p.Lookup(t.Context(), order)
	if err != nil || got.Status != providers.StatusAbsent {
		t.Fatalf("%v %v", got.Status, err)
	}
	form, err := url.ParseQuery(s.requests()[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"limit": {"200"}, "start_time": {fmt.Sprint(now.Add(-15 * time.Hour).Unix())}, "end_time": {fmt.Sprint(now.Add(14 * time.Hour).Unix())},
	}
	if diff := cmp.Diff(want, form); diff != "" {
		t.Error(diff)
	}
	b := setup(t)
	b.AddBid(exchangertest.Bid{DirectionID: exchangertest.DirectionCard, APIID: "5"}) // its id is 1234
	other := sample()
	other.Reference = "1234"
	if got := b.find(other); got.Status != providers.StatusAbsent {
		t.Errorf("a bid whose id is our api_id was taken for ours: %+v", got)
	}
}

func TestLookup_ReadsAllPagesBeforeItCallsABidAbsent(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{500, 120} {
		b := setup(t, exchangertest.WithPageLimit(limit))
		order := b.lose(sample(), exchangertest.OpCreateBid, providertest.ResetAfterCommit)
		for range 1100 {
			b.AddBid(exchangertest.Bid{DirectionID: exchangertest.DirectionCard})
		}
		before := b.Requests(exchangertest.OpExchanges)
		if got := b.find(order); got.Ref["id"] != "1234" || got.Status != providers.StatusActionRequired {
			t.Errorf("limit %d: %+v", limit, got)
		}
		if n, want := b.Requests(exchangertest.OpExchanges)-before, 1100/min(limit, 200)+1; n != want {
			t.Errorf("limit %d: %d pages, want %d", limit, n, want)
		}
		absent := order
		absent.Reference = "77"
		if got := b.find(absent); got.Status != providers.StatusAbsent {
			t.Errorf("limit %d: %v", limit, got.Status)
		}
	}
}

// Rows are as long as those of a site that writes in Russian: PHP takes six
// bytes for each such letter.
func TestLookup_PagesOfLongRowsCanBeRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := b.lose(sample(), exchangertest.OpCreateBid, providertest.ResetAfterCommit)
	d, _ := b.Direction(exchangertest.DirectionCard)
	d.GiveTitle = "Т-Банк (Тинькофф), по номеру карты"
	b.SetDirection(d)
	for range 600 {
		b.AddBid(exchangertest.Bid{DirectionID: exchangertest.DirectionCard, APIID: "1000000000000000003"})
	}
	if got := b.find(order); got.Ref["id"] != "1234" {
		t.Errorf("%+v", got)
	}
}

func TestLookup_AsManyBidsAreSeenAsTenThousand(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := b.lose(sample(), exchangertest.OpCreateBid, providertest.ResetAfterCommit)
	for range 9_990 {
		b.AddBid(exchangertest.Bid{DirectionID: exchangertest.DirectionCard})
	}
	if got := b.find(order); got.Ref["id"] != "1234" {
		t.Errorf("%+v", got)
	}
}

// exchanges renders a page of bids from one id down to another.
func exchanges(from, to int, more string) string {
	var list []string
	for id := from; id >= to; id-- {
		list = append(list, fmt.Sprintf(`{"id":"%d","api_id":"9%d","status":"new"%s}`, id, id, more))
	}
	return `{"error":"0","error_text":"","data":{"items":[` + strings.Join(list, ",") + `]}}`
}

func TestLookup_WhatCannotBeSeenIsNotAbsent(t *testing.T) {
	t.Parallel()
	one := `{"error":"0","data":{"items":[{"id":"1",%s"status":"new"}]}}`
	for name, body := range map[string]string{
		"offset not heeded":  exchanges(400, 201, ""),
		"no api_ids":         fmt.Sprintf(one, ""),
		"api_id null":        fmt.Sprintf(one, `"api_id":null,`),
		"method not enabled": `{"error":3,"error_text":"Method not supported","data":[]}`,
	} {
		s := newScript(t, map[string]string{"get_exchanges": body})
		got, err := s.provider(t).Lookup(t.Context(), sample())
		if err != nil || got.Status != providers.StatusUnknown || got.Evidence["lookup"] == nil {
			t.Errorf("%s: %+v %v", name, got, err)
		}
		if n := len(s.requests()); n > 2 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
	for name, body := range map[string]string{
		"no items":         `{"error":"0","data":{"count":0}}`,
		"items a word":     `{"error":"0","data":{"items":"none"}}`,
		"an item a number": `{"error":"0","data":{"items":[1]}}`,
		"a list":           `{"error":"0","data":[{"id":"1","api_id":"5"}]}`,
		"no error":         `{"data":[]}`,
		"no bid exists":    `{"error":"1","error_text":"No bid exists","data":[]}`,
	} {
		s := newScript(t, map[string]string{"get_exchanges": body})
		got, err := s.provider(t).Lookup(t.Context(), sample())
		if err == nil || providers.ClassOf(err) != ambiguous {
			t.Errorf("%s: %v %v", name, got.Status, err)
		}
	}
}

func TestLookup_AnEmptyListMeansAbsentInEveryForm(t *testing.T) {
	t.Parallel()
	for _, data := range []string{`[]`, `""`, `null`, `{"items":[]}`, `{"items":""}`, `{"items":{}}`, `{"items":[{"id":"1","api_id":"5"}]}`, `{"items":{"3":{"id":"1","api_id":""}}}`} {
		s := newScript(t, map[string]string{"get_exchanges": `{"error":"0","data":` + data + `}`})
		if got, err := s.provider(t).Lookup(t.Context(), sample()); err != nil || got.Status != providers.StatusAbsent {
			t.Errorf("%s: %v %v", data, got.Status, err)
		}
	}
}

func TestLookup_ABidThatIsNotOursIsNotBelieved(t *testing.T) {
	t.Parallel()
	ours := func(more string) string {
		return `{"error":"0","data":{"items":[{"id":"12","api_id":"` + apiID + `","status":"new"` + more + `}]}}`
	}
	plan := providers.Plan{Quote: amount("3030", "RUB"), Data: map[string]string{"amount_give": "3030", "amount_get": "31.2", "currency_get": "USDT"}}
	for name, c := range map[string]struct {
		side, list, code string
	}{
		"another currency given":      {"give", ours(`,"currency_code_give":"USD"`), "answer_mismatch"},
		"another currency got":        {"give", ours(`,"currency_code_get":"USDC"`), "answer_mismatch"},
		"another amount given":        {"give", ours(`,"amount_give":"3031"`), "answer_mismatch"},
		"another amount got":          {"get", ours(`,"amount_get":"31.3"`), "answer_mismatch"},
		"another amount got with fee": {"get_with_fee", ours(`,"amount_get":"31.3"`), "answer_mismatch"},
		"two of them":                 {"give", strings.Replace(ours(""), `}]`, `},{"id":"13","api_id":"`+apiID+`"}]`, 1), "answer_mismatch"},
		"no id":                       {"give", strings.Replace(ours(""), `"12"`, `"x"`, 1), "unreadable"},
	} {
		s := newScript(t, map[string]string{"get_exchanges": c.list, "bid_info": bidBody(`"id":"12","status":"new"`)})
		order := exchangeOrder(params("7", "3000", c.side))
		order.Plan = plan
		_, err := s.provider(t).Lookup(t.Context(), order)
		if e := providers.AsError(err); err == nil || e.Class != ambiguous || e.Code != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The side that follows the rate may differ, and so may what nobody knows.
	for name, c := range map[string]struct {
		side, list string
		plan       providers.Plan
	}{
		"the rate moved": {"give", ours(`,"amount_give":"3030.00","amount_get":"30"`), plan},
		"no plan":        {"give", ours(`,"amount_give":"3031","currency_code_give":"RUB"`), providers.Plan{}},
		"rounded":        {"get", ours(`,"amount_get":"31"`), plan},
	} {
		s := newScript(t, map[string]string{"get_exchanges": c.list, "bid_info": bidBody(`"id":"12","status":"new"`)})
		order := exchangeOrder(params("7", "3000", c.side))
		order.Plan = c.plan
		if got, err := s.provider(t).Lookup(t.Context(), order); err != nil || got.Status != providers.StatusActionRequired {
			t.Errorf("%s: %v %v", name, got.Status, err)
		}
	}
	// With the fee the order itself says the amount, whether there is a plan or not.
	s := newScript(t, map[string]string{"get_exchanges": ours(`,"amount_give":"3031"`)})
	_, err := s.provider(t).Lookup(t.Context(), exchangeOrder(params("7", "3000", "give_with_fee")))
	wantError(t, err, ambiguous, "answer_mismatch")
}

func TestLookup_NoBidExistsIsNoProof(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := sample()
	placed, _ := b.buy(order)
	d, _ := b.Direction(exchangertest.DirectionCard)
	d.Hidden = true
	b.SetDirection(d)
	order.PlacedAt = time.Now()
	for status, want := range map[string]providers.Status{
		"new": providers.StatusProcessing, "realpay": providers.StatusProcessing, "success": providers.StatusSucceeded, "cancel": providers.StatusFailed,
	} {
		b.SetStatus(1234, status)
		got := b.lookup(order, placed)
		if got.Status != want || got.Evidence["bid_info"] != "No bid exists" || got.Action != nil {
			t.Errorf("%s: %+v", status, got)
		}
	}
	gone := order
	gone.Ref = map[string]string{"id": "99", "hash": "ab"}
	if got := b.find(gone); got.Status != providers.StatusUnknown || got.Evidence["bid_info"] != "No bid exists" {
		t.Errorf("a bid that nobody tells of: %+v", got)
	}
}

func TestLookup_GoesOnWithoutTheMethodsThatTheKeyLacks(t *testing.T) {
	t.Parallel()
	lost := setup(t, exchangertest.WithoutMethods(exchangertest.OpExchanges))
	order := lost.lose(sample(), exchangertest.OpCreateBid, providertest.ResetAfterCommit)
	if got := lost.find(order); got.Status != providers.StatusUnknown || got.Evidence["lookup"] == nil {
		t.Errorf("without get_exchanges: %+v", got)
	}
	blind := setup(t, exchangertest.WithoutMethods(exchangertest.OpBidInfo))
	order = blind.lose(sample(), exchangertest.OpCreateBid, providertest.ResetAfterCommit)
	if got := blind.find(order); got.Status != providers.StatusProcessing || got.Ref["id"] != "1234" || got.Evidence["operator_hint"] == nil {
		t.Errorf("without bid_info: %+v", got)
	}
	dumb := setup(t, exchangertest.WithoutMethods(exchangertest.OpBidInfo, exchangertest.OpExchanges))
	placed, _ := dumb.buy(sample())
	if got := dumb.lookup(sample(), placed); got.Status != providers.StatusUnknown || got.Evidence["bid_info"] != "Method not supported" {
		t.Errorf("without either: %+v", got)
	}
}

func TestLookup_AnAnswerAboutAnotherBidIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ref  map[string]string
		body string
		code string
	}{
		"another id":       {map[string]string{"id": "12"}, bidBody(`"id":"13","status":"success"`), "answer_mismatch"},
		"another hash":     {map[string]string{"id": "12", "hash": "ab"}, bidBody(`"id":"12","hash":"cd","status":"success"`), "answer_mismatch"},
		"no id":            {map[string]string{"id": "12"}, bidBody(`"status":"success"`), "unreadable"},
		"nothing":          {map[string]string{"id": "12"}, `{"error":"0","data":[]}`, "unreadable"},
		"recorded id":      {map[string]string{"id": "x"}, bidBody(`"id":"12"`), "unreadable"},
		"recorded hash":    {map[string]string{"hash": "a b"}, bidBody(`"id":"12"`), "unreadable"},
		"maintenance":      {map[string]string{"id": "12"}, `{"error":"2","error_text":"Maintenance","data":[]}`, "2"},
		"method and bid":   {map[string]string{"id": "12"}, `{"error":"9","error_text":"","data":{"id":"12"}}`, "9"},
		"an unknown error": {map[string]string{"id": "12"}, `{"error":"1","error_text":"?","data":[]}`, "1"},
	} {
		s := newScript(t, map[string]string{"bid_info": c.body})
		order := sample()
		order.Ref = c.ref
		got, err := s.provider(t).Lookup(t.Context(), order)
		if e := providers.AsError(err); err == nil || e.Class == rejected || e.Code != c.code {
			t.Errorf("%s: %v %v", name, got.Status, err)
		}
	}
}

func TestLookup_ARepeatAfterALostAnswerSaysThatTheBidExists(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := b.lose(sample(), exchangertest.OpCreateBid, providertest.ResetAfterCommit)
	_, err := b.Place(guarded(t), order, order.Plan)
	if e := wantError(t, err, ambiguous, "3"); !e.Exists {
		t.Errorf("%v does not say that the bid exists", e)
	}
	if got := b.find(order); got.Ref["id"] != "1234" || len(b.Bids()) != 1 {
		t.Errorf("%v, %d bids", got.Ref, len(b.Bids()))
	}
	// Nothing was opened: the list does not have it, and the same request opens it.
	other := setup(t)
	order = other.lose(sample(), exchangertest.OpCreateBid, providertest.ResetBeforeCommit)
	if got := other.find(order); got.Status != providers.StatusAbsent {
		t.Errorf("%+v", got)
	}
	if _, err := other.Place(guarded(t), order, order.Plan); err != nil || len(other.Bids()) != 1 {
		t.Errorf("%v, %d bids", err, len(other.Bids()))
	}
}

func TestLookup_ABidThatIsListedLateIsFoundLater(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64
	begun := time.Now()
	clock := func() time.Time { return begun.Add(time.Duration(passed.Load())) }
	b := setup(t, exchangertest.WithListingLag(2*time.Second), exchangertest.WithClock(clock))
	order := b.lose(sample(), exchangertest.OpCreateBid, providertest.ResetAfterCommit)
	if got := b.find(order); got.Status != providers.StatusAbsent {
		t.Errorf("%+v", got)
	}
	passed.Store(int64(2 * time.Second))
	if got := b.find(order); got.Ref["id"] != "1234" {
		t.Errorf("%+v", got)
	}
}

func TestLookup_APriceBeyondTheLimitIsShownForALostBidToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := sample()
	order.MaxCost = amount("3000", "RUB")
	order.Params = params(exchangertest.DirectionCard, "3000", "give", func(p *messages.ExchangeParams) {
		least := money.MustDecimal("40")
		p.MinGet = &least
	})
	order.PlacedAt = time.Now()
	b.AddBid(exchangertest.Bid{DirectionID: exchangertest.DirectionCard, APIID: apiID})
	got := b.find(order)
	if got.Evidence["price_violation"] == nil || got.Evidence["min_get_violation"] == nil || got.Status != providers.StatusActionRequired {
		t.Errorf("%+v", got)
	}
}
