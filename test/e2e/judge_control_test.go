package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// tale writes the events of an order that nobody has processed: each text is
// its type, with further keys behind it.
func tale(t *testing.T, p plan, texts ...string) []event {
	t.Helper()
	var all []event
	state := ""
	for i, text := range texts {
		typ, more, _ := strings.Cut(text, " ")
		if typ != "late_evidence" {
			state = typ
		}
		body := fmt.Sprintf(`{"n":%d,"type":%q,"state":%q,"terminal":%t,"tenant":%q,"order_id":%q,"provider":%q,"kind":%q,"time":%q%s}`,
			i+1, typ, state, strings.Contains(strings.Join(terminalTypes, " "), state), p.tenant, p.id, p.provider, p.kind,
			time.Now().Add(time.Hour).UTC().Format(time.RFC3339Nano), more)
		e, err := readEvent([]byte(body))
		if err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		all = append(all, e)
	}
	return all
}

// A judge who finds nothing wrong with anything shows nothing. Each of these
// has one thing wrong with it, or nothing.
func TestJudge_SeesWhatIsWrongWithAnExchange(t *testing.T) {
	t.Parallel()
	p := plan{tenant: "acme", id: "o1", provider: "exchanger", kind: "exchange", account: "TW", amount: "3030.00", fate: byItself}
	bid := exchangertest.Bid{
		ID: 7, Hash: "h", APIID: "5", Account2: "TW", AmountGive: "3030.00", AmountGet: "31.217482", CurrencyGive: "RUB", CurrencyGet: "USDT", Status: "success",
	}
	good := `,"provider_ref":{"id":"7","hash":"h","api_id":"5"},"cost":{"amount":"3030.00","currency":"RUB"},"cost_source":"response","finality":"final",` +
		`"deliverable":{"amount_get":{"amount":"31.217482","currency":"USDT"},"account_to":"TW"}`
	with := func(change func(*exchangertest.Bid)) []exchangertest.Bid {
		b := bid
		change(&b)
		return []exchangertest.Bid{b}
	}
	for name, c := range map[string]struct {
		plan  func(*plan)
		tale  []string
		books []exchangertest.Bid
		wrong string // a part of what must be found; empty for nothing
	}{
		"nothing":            {tale: []string{"accepted", "succeeded " + good}, books: []exchangertest.Bid{bid}},
		"two bids":           {tale: []string{"accepted", "succeeded " + good}, books: []exchangertest.Bid{bid, bid}, wrong: "2 bids"},
		"the last digit":     {tale: []string{"accepted", "succeeded " + good}, books: with(func(b *exchangertest.Bid) { b.AmountGet = "31.217483" }), wrong: "amount_get"},
		"more was given":     {tale: []string{"accepted", "succeeded " + good}, books: with(func(b *exchangertest.Bid) { b.AmountGive = "3030.01" }), wrong: "was to be given"},
		"it is under way":    {tale: []string{"accepted", "succeeded " + good}, books: with(func(b *exchangertest.Bid) { b.Status = "payed" }), wrong: "succeeded, and the bid"},
		"told too early":     {tale: []string{"accepted", "succeeded " + good}, books: with(func(b *exchangertest.Bid) { b.ChangedAt = time.Now().Add(2 * time.Hour) }), wrong: "and the site had it"},
		"called failed":      {tale: []string{"accepted", `failed ,"error":{"code":"payouterror"}`}, books: with(func(b *exchangertest.Bid) { b.Status = "payouterror" }), wrong: "failed, and the bid"},
		"canceled by nobody": {tale: []string{"accepted", "canceled"}, books: with(func(b *exchangertest.Bid) { b.Status = "cancel" }), wrong: "canceled, and the bid"},
		"canceled by us":     {plan: func(p *plan) { p.cancel = true }, tale: []string{"accepted", "canceled"}, books: with(func(b *exchangertest.Bid) { b.Status = "cancel" })},
		"left to a person":   {tale: []string{"accepted", `unresolved ,"needs_operator":true`}, books: []exchangertest.Bid{bid}, wrong: "unresolved, and the bid"},
		"ended twice":        {tale: []string{"accepted", "succeeded " + good, "succeeded " + good}, books: []exchangertest.Bid{bid}, wrong: "2 terminal events"},
		"not ended":          {tale: []string{"accepted", "processing"}, books: []exchangertest.Bid{bid}, wrong: "0 terminal events"},
		"lost":               {wrong: "lost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := p
			if c.plan != nil {
				c.plan(&p)
			}
			mustFind(t, (&run{}).faults(truth{bids: map[string][]exchangertest.Bid{"TW": c.books}}, p, tale(t, p, c.tale...)), c.wrong)
		})
	}
}

func mustFind(t *testing.T, found []string, wrong string) {
	t.Helper()
	all := strings.Join(found, "; ")
	if wrong == "" && all != "" || !strings.Contains(all, wrong) {
		t.Errorf("found %q, not %q", all, wrong)
	}
}

func TestJudge_SeesWhatIsWrongWithADeposit(t *testing.T) {
	t.Parallel()
	shop := skinsbacktest.New()
	t.Cleanup(shop.Close)
	p := plan{tenant: "acme", id: "o1", provider: "skinsback", kind: "deposit", account: steamAccount, amount: "12.34", fate: paysAtOnce}
	paid := skinsbacktest.Deposit{
		TransactionID: "13", OrderID: "b1", Status: skinsbacktest.Success, Amount: money.MustDecimal("12.34"), Given: time.Now(),
	}
	with := func(status string) skinsbacktest.Deposit { d := paid; d.Status = status; return d }
	pending := skinsbacktest.Deposit{TransactionID: "14", OrderID: "b2", Status: skinsbacktest.Pending}
	for name, c := range map[string]struct {
		tale  []string
		books []skinsbacktest.Deposit
		wrong string
	}{
		"paid twice":                      {[]string{"accepted", "succeeded"}, []skinsbacktest.Deposit{paid, paid}, "paid 2 times"},
		"three references":                {[]string{"accepted", "failed"}, []skinsbacktest.Deposit{pending, pending, pending}, "3 deposits"},
		"a success that nobody paid":      {[]string{"accepted", "succeeded"}, []skinsbacktest.Deposit{pending}, "the shop has no success"},
		"a success that is held":          {[]string{"accepted", "on_hold", "succeeded"}, []skinsbacktest.Deposit{with(skinsbacktest.InHold)}, "the shop has no success"},
		"a success that was taken back":   {[]string{"accepted", "succeeded"}, []skinsbacktest.Deposit{with(skinsbacktest.HoldReturned)}, "the shop has no success"},
		"paid and called failed":          {[]string{"accepted", "failed"}, []skinsbacktest.Deposit{paid}, "a deposit stands"},
		"failed while another stands":     {[]string{"accepted", "failed"}, []skinsbacktest.Deposit{with(skinsbacktest.Failed), pending}, "a deposit stands"},
		"failed and never refused":        {[]string{"accepted", "failed"}, nil, "not even refused"},
		"canceled and paid":               {[]string{"accepted", "canceled"}, []skinsbacktest.Deposit{paid}, "canceled and was paid"},
		"reversed and kept":               {[]string{"accepted", "on_hold", "reversed"}, []skinsbacktest.Deposit{paid}, "took nothing back"},
		"reversed from nothing":           {[]string{"accepted", "reversed"}, []skinsbacktest.Deposit{with(skinsbacktest.HoldReturned)}, "reversed from nothing"},
		"reversed from a hold":            {[]string{"accepted", "on_hold", "reversed"}, []skinsbacktest.Deposit{with(skinsbacktest.HoldReturned)}, ""},
		"reversed after a success":        {[]string{"accepted", "succeeded", "reversed"}, []skinsbacktest.Deposit{with(skinsbacktest.HoldReturned)}, ""},
		"reversed twice":                  {[]string{"accepted", "on_hold", "reversed", "reversed"}, []skinsbacktest.Deposit{with(skinsbacktest.HoldReturned)}, "2 reversals"},
		"credited while it is held":       {[]string{"accepted", `on_hold ,"deliverable":{"amount":{}}`, "reversed"}, []skinsbacktest.Deposit{with(skinsbacktest.HoldReturned)}, "told as delivered"},
		"left to a person who can't help": {[]string{"accepted", `unresolved ,"needs_operator":true`}, []skinsbacktest.Deposit{pending}, "can be looked up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &run{rig: &rig{skins: shop}, world: &world{}}
			mustFind(t, r.faults(truth{deposits: map[string][]skinsbacktest.Deposit{p.account: c.books}}, p, tale(t, p, c.tale...)), c.wrong)
		})
	}
}

// ask sends a form to a shop as its client would.
func ask(t *testing.T, shop, form string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, shop, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "X-Client-Id": {skinsbacktest.ClientID}, "X-Client-Secret": {skinsbacktest.ClientSecret},
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
}

// The sums of a deposit are compared with what the shop itself tells, in both
// of its formats.
func TestJudge_SeesTheLastDigitOfADeposit(t *testing.T) {
	t.Parallel()
	for _, format := range []skinsbacktest.Format{skinsbacktest.Form, skinsbacktest.JSON} {
		shop := skinsbacktest.New(skinsbacktest.WithWebhooks(format, ""), skinsbacktest.WithMultiplier("1.1"))
		t.Cleanup(shop.Close)
		ask(t, shop.URL(), "method=create&order_id=b1&steam_id="+steamAccount+"&trade_token=i1ArBZey")
		if err := shop.Pay("b1", "12.3456789"); err != nil {
			t.Fatal(err)
		}
		p := plan{tenant: "acme", id: "o1", provider: "skinsback", kind: "deposit", account: steamAccount, amount: "12.3456789"}
		r := &run{rig: &rig{skins: shop}}
		r.world = &world{rig: r.rig, paid: map[string]time.Time{"b1": time.Now()}}
		good := `,"finality":"final","provider_ref":{"reference":"b1","transaction_id":"13"},"deliverable":{"amount":{"amount":"12.3456789","currency":"USD"},` +
			`"user_amount":{"amount":"13.58024679","currency":"USD"},` +
			`"amount_in_currencies":{"EUR":"11.11111101","KZT":"5925.925872","RUB":"987.654312","UAH":"512.34567435","USD":"12.3456789"},` +
			`"user_amount_in_currencies":{"EUR":"12.22222211","KZT":"6518.5184592","RUB":"1086.4197432","UAH":"563.58024179","USD":"13.58024679"}}`
		books := truth{deposits: map[string][]skinsbacktest.Deposit{p.account: shop.Deposits()}}
		mustFind(t, r.faults(books, p, tale(t, p, "accepted", "succeeded "+good)), "")
		for old, spoilt := range map[string]string{
			`"12.3456789","currency"`: `"12.345679","currency"`, "13.58024679": "13.58024678", "11.11111101": "11.11111102", "563.58024179": "563.5802418",
			`"currency":"USD"},"user`: `"currency":"EUR"},"user`, `"transaction_id":"13"`: `"transaction_id":"14"`, `,"UAH":"512.34567435"`: "", `"b1"`: `"b2"`,
		} {
			wrong := strings.Replace(good, old, spoilt, 1)
			if found := r.faults(books, p, tale(t, p, "accepted", "succeeded "+wrong)); wrong == good || len(found) == 0 {
				t.Errorf("%s instead of %s is not seen", spoilt, old)
			}
		}
		r.world.paid["b1"] = time.Now().Add(2 * time.Hour)
		mustFind(t, r.faults(books, p, tale(t, p, "accepted", "succeeded "+good)), "the shop booked it")
	}
}

func TestJudge_SeesWhatIsWrongWithAPayout(t *testing.T) {
	t.Parallel()
	p := plan{tenant: "acme", id: "o1", provider: "exchanger", kind: "partner_payout", account: "TP", method: "2"}
	ref := `,"provider_ref":{"payout_id":"57"}`
	books := func(status int, account string) map[string]exchangertest.Payout {
		return map[string]exchangertest.Payout{"57": {ID: 57, MethodID: "2", Account: account, Amount: "100.00", Status: status}}
	}
	paid := "succeeded " + ref + `,"deliverable":{"status":"1"},"finality":"final"`
	for name, c := range map[string]struct {
		last  string
		books map[string]exchangertest.Payout
		wrong string
	}{
		"nothing":                   {paid, books(1, "TP"), ""},
		"not paid yet":              {paid, books(0, "TP"), "succeeded, and the payout"},
		"paid to another":           {paid, books(1, "TQ"), "went to 2 TQ"},
		"a payout that is not":      {paid, nil, "there is no payout 57"},
		"paid and called failed":    {"failed " + ref + `,"error":{"code":"2"}`, books(1, "TP"), "failed, and the payout"},
		"refused by the staff":      {"failed " + ref + `,"error":{"code":"2"}`, books(2, "TP"), ""},
		"a doubt called failed":     {`failed ,"error":{"code":"timeout"}`, nil, "failed, and the payout"},
		"canceled and paid":         {"canceled " + ref, books(1, "TP"), "canceled, and the payout"},
		"a payout that has a price": {paid + `,"cost":{}`, books(1, "TP"), "has no cost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mustFind(t, (&run{}).faults(truth{payouts: c.books}, p, tale(t, p, "accepted", c.last)), c.wrong)
		})
	}
}

func TestJudge_SeesPayoutsThatDoNotTakeTurns(t *testing.T) {
	t.Parallel()
	a, b := plan{tenant: "acme", id: "a"}, plan{tenant: "acme", id: "b"}
	targets := map[string]string{a.key(): "2 TP", b.key(): "2 TP"}
	placing := func(p plan) event { return tale(t, p, "placing")[0] }
	ends := func(p plan, more string) event { return tale(t, p, more)[0] }
	for name, c := range map[string]struct {
		story []event
		wrong string
	}{
		"one after the other":              {[]event{placing(a), ends(a, "processing"), placing(b), ends(b, "processing")}, ""},
		"both at once":                     {[]event{placing(a), placing(b), ends(a, "processing"), ends(b, "processing")}, "both under way"},
		"behind one in doubt":              {[]event{placing(a), ends(a, "unresolved"), placing(b), ends(b, "processing")}, "both under way"},
		"both at once, one has not sent":   {[]event{placing(a), placing(b), ends(b, `retrying ,"error":{"code":"not_sent"}`), ends(a, "processing")}, ""},
		"behind one whose doubt is solved": {[]event{placing(a), ends(a, "unresolved"), ends(a, "processing"), placing(b)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mustFind(t, turnFaults(c.story, targets), c.wrong)
		})
	}
	apart := map[string]string{a.key(): "2 TP", b.key(): "2 TQ"}
	mustFind(t, turnFaults([]event{placing(a), placing(b)}, apart), "")
}
