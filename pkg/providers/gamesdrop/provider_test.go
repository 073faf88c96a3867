package gamesdrop_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
)

// sameMoney compares amounts as numbers; go-cmp would look at their insides.
var sameMoney = cmp.Comparer(func(a, b money.Decimal) bool { return a.Equal(b) })

func TestNew_ReportsEverythingThatIsWrongWithTheConfiguration(t *testing.T) {
	t.Parallel()
	_, err := gamesdrop.New(gamesdrop.Config{URL: "http://partner.example/?token=s3cr3t", TelegramURL: "http://gamesdrop.example/x"})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"gamesdrop: URL:", "telegram URL:", "no token", "no HTTP client"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("%q shows the URL", err)
	}
	_, err = gamesdrop.New(gamesdrop.Config{
		URL: gamesdrop.DefaultURL, TelegramURL: gamesdrop.DefaultTelegramURL, Token: secret.New("t"), HTTP: newHTTP(t),
	})
	if err != nil {
		t.Errorf("the documented addresses are refused: %v", err)
	}
}

func TestNew_ABaseURLMayEndWithASlash(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := newProvider(t, b.URL()+"/", b.TelegramURL())
	if _, err := p.Prepare(t.Context(), sample()); err != nil {
		t.Error(err)
	}
}

func TestPrepare_QuotesAnOfferAndChecksThePlayer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.prepare(offerOrder(messages.OfferParams{OfferID: gamesdroptest.OfferPUBG, GameUserID: "52357322414"}))
	want := providers.Plan{
		Quote:    rub("560.10"),
		Data:     map[string]string{"price": "560.10", "currency": "RUB", "offer_id": "1001"},
		Evidence: map[string]any{"product": "PUBG MOBILE GIFT", "offer": "60 UC", "player": "JJJ"},
	}
	if diff := cmp.Diff(want, got, sameMoney); diff != "" {
		t.Error(diff)
	}
	if f, c := b.Requests(gamesdroptest.OpFindOne), b.Requests(gamesdroptest.OpCheck); f != 1 || c != 1 {
		t.Errorf("%d find-one and %d check-game-data", f, c)
	}
}

func TestPrepare_WithoutAPlayerChecksNone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.prepare(offerOrder(messages.OfferParams{OfferID: gamesdroptest.OfferPUBG}))
	if n := b.Requests(gamesdroptest.OpCheck); n != 0 {
		t.Errorf("%d check-game-data", n)
	}
}

func TestPrepare_RefusesWhatCanNeverBePlaced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, c := range map[string]struct {
		order         providers.Order
		code, message string
	}{
		"invalid player":      {offerOrder(messages.OfferParams{OfferID: gamesdroptest.OfferPUBG, GameUserID: "000"}), "account_refused", "the player is not valid"},
		"missing server":      {offerOrder(messages.OfferParams{OfferID: gamesdroptest.OfferServer, GameUserID: "1"}), "account_refused", "the player is not valid"},
		"unknown offer":       {offerOrder(messages.OfferParams{OfferID: 4711}), "OFFER_NOT_FOUND", "refused: offer not found"},
		"hidden offer":        {offerOrder(messages.OfferParams{OfferID: gamesdroptest.OfferHidden, GameUserID: "000"}), "OFFER_NOT_FOUND", "refused: offer not found"},
		"unknown user":        {starsOrder(100, "@nobody"), "account_refused", "User not found"},
		"user without id":     {starsOrder(100, "hidden"), "account_refused", "Username format is valid, but user details are not publicly available."},
		"no amount of theirs": {starsOrder(51, "143594291"), "OFFER_NOT_FOUND", "refused: offer not found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := b.Prepare(t.Context(), c.order)
			if e := wantError(t, err, rejected, c.code); e.Message != c.message {
				t.Errorf("message %q", e.Message)
			}
		})
	}
}

func TestPrepare_ResolvesATelegramUserOnlyWhereItMust(t *testing.T) {
	t.Parallel()
	for user, asked := range map[string]int{"143594291": 0, "@igoryan34": 1, "igoryan34": 1, "@IgorYan34": 1} {
		b := setup(t)
		got := b.prepare(starsOrder(100, user))
		want := map[string]string{"price": "0.77", "currency": "USD", "offer_id": "telegram_stars_100", "telegram_user_id": "143594291"}
		if diff := cmp.Diff(want, got.Data); diff != "" {
			t.Errorf("%s: %s", user, diff)
		}
		if n := b.Requests(gamesdroptest.OpTelegram); n != asked {
			t.Errorf("%s: asked %d times", user, n)
		}
	}
}

func TestPrepare_AnswersThatCannotBeReadRefuseNoOrder(t *testing.T) {
	t.Parallel()
	offer, player := `{"offerId":1001,"price":5.5,"currency":"USD"}`, sample()
	stars := starsOrder(100, "@igoryan34")
	for name, c := range map[string]struct {
		order   providers.Order
		replies map[string]reply
		code    string
	}{
		"no price":           {player, map[string]reply{findPath: {body: `{"offerId":1001,"currency":"USD"}`}}, "unreadable"},
		"price null":         {player, map[string]reply{findPath: {body: `{"offerId":1001,"price":null,"currency":"USD"}`}}, "unreadable"},
		"price zero":         {player, map[string]reply{findPath: {body: `{"offerId":1001,"price":0,"currency":"USD"}`}}, "unreadable"},
		"price negative":     {player, map[string]reply{findPath: {body: `{"offerId":1001,"price":-1,"currency":"USD"}`}}, "unreadable"},
		"price a word":       {player, map[string]reply{findPath: {body: `{"offerId":1001,"price":"a lot","currency":"USD"}`}}, "unreadable"},
		"no currency":        {player, map[string]reply{findPath: {body: `{"offerId":1001,"price":1}`}}, "unreadable"},
		"another offer":      {player, map[string]reply{findPath: {body: `{"offerId":1002,"price":1,"currency":"USD"}`}}, "answer_mismatch"},
		"player maybe":       {player, map[string]reply{findPath: {body: offer}, checkPath: {body: `{"status":"MAYBE"}`}}, "unreadable"},
		"player unsaid":      {player, map[string]reply{findPath: {body: offer}, checkPath: {body: `{}`}}, "unreadable"},
		"player unavailable": {player, map[string]reply{findPath: {body: offer}, checkPath: {status: 503}}, "http_503"},
		"user unsaid":        {stars, map[string]reply{userPath: {body: `{}`}}, "unreadable"},
		"another user":       {stars, map[string]reply{userPath: {body: `{"valid":true,"username":"igoryan35","userInfo":{"id":1}}`}}, "answer_mismatch"},
		"another user's id":  {stars, map[string]reply{userPath: {body: `{"valid":true,"username":"igoryan34","userInfo":{"id":1,"username":"igoryan35"}}`}}, "answer_mismatch"},
		"id is no number":    {stars, map[string]reply{userPath: {body: `{"valid":true,"username":"igoryan34","userInfo":{"id":"x"}}`}}, "unreadable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newScript(t, c.replies).provider(t).Prepare(t.Context(), c.order)
			wantError(t, err, ambiguous, c.code)
		})
	}
}

// The document does not say with which HTTP status a name is refused.
func TestPrepare_ATelegramUserWhoIsNotValidIsRefusedWhateverTheStatus(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]string{200: "account_refused", 400: "account_refused", 404: "account_refused", 500: "http_500", 401: "INVALID_TOKEN"} {
		s := newScript(t, map[string]reply{userPath: {status: status, body: `{"valid":false,"message":"User not found"}`}})
		_, err := s.provider(t).Prepare(t.Context(), starsOrder(100, "@nobody"))
		if e := providers.AsError(err); e.Code != code || (e.Class == rejected) != (code == "account_refused") {
			t.Errorf("HTTP %d: %v", status, err)
		}
	}
	s := newScript(t, map[string]reply{userPath: {status: 404, body: `{"message":"no route"}`}})
	_, err := s.provider(t).Prepare(t.Context(), starsOrder(100, "@nobody"))
	wantError(t, err, ambiguous, "http_404")
}

func TestPlace_SendsThePriceToTheLetter(t *testing.T) {
	t.Parallel()
	for _, price := range []string{"560.10", "560.1", "560", "5.601e2", `"560.10"`} {
		s := newScript(t, map[string]reply{
			findPath:   {body: `{"offerId":1001,"price":` + price + `,"currency":"RUB"}`},
			checkPath:  {body: `{"status":"VALID"}`},
			createPath: {body: `{"orderId":1,"status":"SUBMITTED"}`},
		})
		p := s.provider(t)
		plan, err := p.Prepare(t.Context(), sample())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Place(guarded(t), sample(), plan); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf(`{"offerId":1001,"price":%s,"transactionId":"b1abcdefghijklmnopqrstuvwx",`+
			`"customer":{"email":"user@gmail.com","gameUserId":"52357322414"}}`, strings.Trim(price, `"`))
		if got := s.requests()[2].Body; got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
	}
}

func TestPlace_LeavesOutWhatWasNotGiven(t *testing.T) {
	t.Parallel()
	for want, params := range map[string]messages.OfferParams{
		``:                                  {OfferID: 1001},
		`,"customer":{"email":"a&b@c.de"}`:  {OfferID: 1001, Email: "a&b@c.de"},
		`,"customer":{"gameServerId":"s7"}`: {OfferID: 1001, GameServerID: "s7"},
		`,"customer":{"gameUserId":"1","gameServerId":"s7"}`: {OfferID: 1001, GameUserID: "1", GameServerID: "s7"},
	} {
		s := newScript(t, map[string]reply{createPath: {body: `{"orderId":1,"status":"SUBMITTED"}`}})
		if _, err := s.provider(t).Place(guarded(t), offerOrder(params), plan()); err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(s.requests()[0].Body, `\u0026`, "&")
		if want := `{"offerId":1001,"price":560.10,"transactionId":"b1abcdefghijklmnopqrstuvwx"` + want + `}`; got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
	}
}

func TestPlace_SendsNothingWithoutAPlanThatFits(t *testing.T) {
	t.Parallel()
	s := newScript(t, nil)
	p := s.provider(t)
	broken := func(key, value string) providers.Plan {
		pl := plan()
		pl.Data[key] = value
		return pl
	}
	nameless := sample()
	nameless.Reference = ""
	foreign := sample()
	foreign.Params = messages.TopupParams{Login: "x"}
	crossed := sample()
	crossed.Kind = messages.TelegramStars
	for name, c := range map[string]struct {
		order providers.Order
		plan  providers.Plan
	}{
		"no plan":          {sample(), providers.Plan{}},
		"price a word":     {sample(), broken("price", "x")},
		"price zero":       {sample(), broken("price", "0")},
		"price injected":   {sample(), broken("price", `1,"transactionId":"x"`)},
		"another offer":    {sample(), broken("offer_id", "1002")},
		"no reference":     {nameless, plan()},
		"another provider": {foreign, plan()},
		"crossed kind":     {crossed, plan()},
		"stars to nobody":  {starsOrder(100, "@igoryan34"), broken("offer_id", "telegram_stars_100")},
	} {
		_, err := p.Place(guarded(t), c.order, c.plan)
		if e := providers.AsError(err); err == nil || e.Class != providers.Invalid || e.Code != "command_unprocessable" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestPlace_DeliversAKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := sample()
	got, _ := b.buy(order)
	want := providers.Answer{
		Status: providers.StatusSucceeded, Ref: map[string]string{"order_id": "10222502"},
		Cost: rub("560.10"), CostSource: messages.FromResponse, Finality: messages.Final,
		Deliverable: []byte(`{"key":"001434249936"}`), Evidence: map[string]any{},
	}
	if diff := cmp.Diff(want, got, sameMoney); diff != "" {
		t.Error(diff)
	}
	purchases := b.Purchases()
	if len(purchases) != 1 || purchases[0].TransactionID != order.Reference || purchases[0].Email != "user@gmail.com" || purchases[0].GameUserID != "52357322414" {
		t.Errorf("purchases %+v", purchases)
	}
	if again := b.lookup(order, got); cmp.Diff(got, again, sameMoney) != "" {
		t.Errorf("the lookup tells it otherwise: %s", cmp.Diff(got, again, sameMoney))
	}
}

func TestPlace_DeliversStarsAtThePriceOfTheAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := starsOrder(100, "@igoryan34")
	got, plan := b.buy(order)
	cost := money.Must("0.78", "USD")
	want := providers.Answer{
		Status: providers.StatusSucceeded, Ref: map[string]string{"order_id": "10222502"},
		Cost: &cost, CostSource: messages.FromResponse, Finality: messages.Final,
		Deliverable: []byte(`{"delivery_transaction_id":"tg_tx_10222502","stars":100,"telegram_user_id":"143594291"}`),
		Evidence:    map[string]any{"quoted": "0.77 USD"},
	}
	if diff := cmp.Diff(want, got, sameMoney); diff != "" {
		t.Error(diff)
	}
	if plan.Data["price"] != "0.77" || b.Purchases()[0].GameUserID != "143594291" {
		t.Errorf("sent %v, bought %+v", plan.Data, b.Purchases()[0])
	}
}

func TestOrders_GoTheirWayToTheEnd(t *testing.T) {
	t.Parallel()
	processing, succeeded, failed, reversed := providers.StatusProcessing, providers.StatusSucceeded, providers.StatusFailed, providers.StatusReversed
	for name, c := range map[string]struct {
		offer    int64
		statuses []providers.Status // of Place, then of each Lookup
		code     string
		refund   any
	}{
		"pending":           {gamesdroptest.OfferPending, []providers.Status{processing, processing, succeeded, succeeded}, "", nil},
		"canceled":          {gamesdroptest.OfferCanceled, []providers.Status{processing, failed}, "CANCELED", "unconfirmed"},
		"canceled at once":  {gamesdroptest.OfferCanceledNow, []providers.Status{failed, failed}, "CANCELED", "unconfirmed"},
		"refunded":          {gamesdroptest.OfferRefunded, []providers.Status{processing, reversed}, "REFUND", "confirmed"},
		"refunded at once":  {gamesdroptest.OfferRefundedNow, []providers.Status{failed, reversed}, "REFUND", "confirmed"},
		"reversed":          {gamesdroptest.OfferReversed, []providers.Status{succeeded, reversed}, "REFUND", "confirmed"},
		"of no document":    {gamesdroptest.OfferStrange, []providers.Status{processing, succeeded}, "", nil},
		"key comes later":   {gamesdroptest.OfferLateKey, []providers.Status{processing, processing, succeeded}, "", nil},
		"nothing to return": {gamesdroptest.OfferDirect, []providers.Status{succeeded}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			order := offerOrder(messages.OfferParams{OfferID: c.offer, Email: "a@b.c", GameUserID: "7"})
			answer, _ := b.buy(order)
			got := []providers.Status{answer.Status}
			last := answer
			for range len(c.statuses) - 1 {
				last = b.lookup(order, answer)
				got = append(got, last.Status)
			}
			if diff := cmp.Diff(c.statuses, got); diff != "" {
				t.Error(diff)
			}
			if last.Code != c.code || last.Evidence["refund"] != c.refund {
				t.Errorf("code %q, evidence %v", last.Code, last.Evidence)
			}
			if n := len(b.Purchases()); n != 1 {
				t.Errorf("%d purchases", n)
			}
			if done := last.Status == succeeded; done != (last.Finality == messages.Final) || done != (last.Deliverable != nil) {
				t.Errorf("finality %q, deliverable %s", last.Finality, last.Deliverable)
			}
		})
	}
}

func TestStars_ThatCannotBeDeliveredFailWithTheReason(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.SetUnreachable("123456789", "user not found")
	order := starsOrder(100, "123456789")
	answer, _ := b.buy(order)
	for _, got := range []providers.Answer{answer, b.lookup(order, answer)} {
		want := providers.Answer{
			Status: providers.StatusFailed, Ref: map[string]string{"order_id": "10222502"}, Code: "CANCELED",
			Message: "Failed to deliver Stars: user not found", Evidence: map[string]any{"refund": "unconfirmed"},
		}
		if diff := cmp.Diff(want, got, sameMoney); diff != "" {
			t.Error(diff)
		}
	}
}
