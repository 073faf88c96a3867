package skinsback_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/skinsback"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json; charset=utf-8"
)

var key = secret.New("123")

// TestSign_Vector holds the inputs of the vendor's page on signatures; the
// expected values were computed with openssl.
func TestSign_Vector(t *testing.T) {
	t.Parallel()
	params := map[string]string{"shopid": "123", "order_id": "1", "method": "orderstatus", "sign": "is not signed"}
	const want = "abee99d476c736102c3d6062807761b6e4d31dd8"
	if got := skinsback.Sign(params, key); got != want {
		t.Errorf("signed %s, want %s", got, want)
	}
	if !skinsback.Verify(params, want, key) {
		t.Error("the vector is not verified")
	}
	for _, wrong := range []string{"", strings.ToUpper(want), want[:39], want + "0", "abee99d476c736102c3d6062807761b6e4d31dd9"} {
		if skinsback.Verify(params, wrong, key) {
			t.Errorf("%q is verified", wrong)
		}
	}
	if skinsback.Verify(params, skinsback.Sign(params, secret.String{}), secret.String{}) {
		t.Error("everybody can sign with an empty secret")
	}
}

func TestSign_AnyChangeOfAnyValueIsSeen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		params := rapid.MapOfN(rapid.StringMatching(`[a-z_]{1,8}`), rapid.StringMatching(`[ -~]{0,12}`), 1, 8).Draw(t, "params")
		delete(params, "sign")
		params["status"] = "pending"
		sign := skinsback.Sign(params, key)
		if !skinsback.Verify(params, sign, key) || skinsback.Verify(params, sign, secret.New("124")) {
			t.Fatal("verified with another secret, or not with the right one")
		}
		name := rapid.SampledFrom([]string{"status", "a_new_field"}).Draw(t, "name")
		params[name] += "x"
		if skinsback.Verify(params, sign, key) {
			t.Fatalf("a change of %s is not seen", name)
		}
	})
}

// sign adds the signature of texts to a body of the given form.
func sign(texts map[string]string, body string) string {
	s := skinsback.Sign(texts, key)
	if strings.HasPrefix(body, "{") {
		return strings.TrimSuffix(body, "}") + `,"sign":"` + s + `"}`
	}
	return body + "&sign=" + s
}

func minimal() map[string]string {
	return map[string]string{"status": "success", "order_id": "b1x", "transaction_id": "13"}
}

func with(more map[string]string) map[string]string {
	texts := minimal()
	for k, v := range more {
		texts[k] = v
	}
	return texts
}

func TestVerifyCallback_ReadsTheLiteralValuesReceived(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ kind, body string }{
		"a form": {formType, sign(with(map[string]string{"amount": "10.50", "custom_currency": "a&b"}),
			"transaction_id=13&status=success&order_id=b1x&amount=10.50&custom_currency=a%26b&amount_in_currencies%5Busd%5D=10.5&skins[0][name]=AK-47")},
		"a form with a charset": {formType + "; charset=UTF-8", sign(with(map[string]string{"amount": "10.50"}), "status=success&order_id=b1x&transaction_id=13&amount=10.50&amount_in_currencies[usd]=10.5")},
		"numbers as they were written": {jsonType, sign(with(map[string]string{"amount": "10.50", "date": "1763750000"}),
			`{"status":"success","order_id":"b1x","transaction_id":13,"amount":10.50,"date":1763750000,"amount_in_currencies":{"usd":10.5},"skins":[{"name":"AK"}],"user_risk":{}}`)},
		"numbers as strings": {jsonType, sign(with(map[string]string{"amount": "10.50"}),
			`{"status":"success","order_id":"b1x","transaction_id":"13","amount":"10.50","amount_in_currencies":{"usd":"10.5"}}`)},
		"booleans and null as PHP has them": {jsonType, sign(with(map[string]string{"amount": "1.05e1", "a": "1", "b": "", "c": ""}),
			`{"status":"success","order_id":"b1x","transaction_id":"13","amount":1.05e1,"a":true,"b":false,"c":null,"amount_in_currencies":{"usd":"10.5"}}`)},
		"escapes": {jsonType, sign(with(map[string]string{"amount": "10.5", "note": "/é\n"}),
			`{"status":"succ\u0065ss","order_id":"b1x","transaction_id":"13","amount":"10.5","note":"\/\u00e9\n","amount_in_currencies":{"usd":"10.5"}}`)},
	} {
		got, err := skinsback.VerifyCallback([]byte(c.body), c.kind, key)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Status != skinsback.StatusSuccess || got.OrderID != "b1x" || got.TransactionID != "13" ||
			got.Amount.Value.String() != "10.5" || got.AmountInCurrencies["USD"].String() != "10.5" {
			t.Errorf("%s: got %+v", name, got)
		}
		if _, err := skinsback.VerifyCallback([]byte(c.body), c.kind, secret.New("124")); !errors.Is(err, skinsback.ErrCallbackSignature) {
			t.Errorf("%s, another secret: %v", name, err)
		}
	}
}

func TestVerifyCallback_RefusesWhatCouldBeReadInTwoWays(t *testing.T) {
	t.Parallel()
	const form, object = "status=success&order_id=b1x&transaction_id=13", `{"status":"success","order_id":"b1x","transaction_id":"13"}`
	for name, c := range map[string]struct {
		kind, body string
		want       error
	}{
		"another type":                 {"text/plain", sign(minimal(), form), skinsback.ErrCallbackType},
		"multipart":                    {"multipart/form-data; boundary=x", sign(minimal(), form), skinsback.ErrCallbackType},
		"no type":                      {"", sign(minimal(), form), skinsback.ErrCallbackType},
		"a form said to be JSON":       {jsonType, sign(minimal(), form), skinsback.ErrCallbackBody},
		"JSON said to be a form":       {formType, sign(minimal(), object), skinsback.ErrCallbackBody},
		"nothing":                      {jsonType, "", skinsback.ErrCallbackBody},
		"an empty form":                {formType, "", skinsback.ErrCallbackSignature},
		"null":                         {jsonType, "null", skinsback.ErrCallbackSignature},
		"an array":                     {jsonType, "[]", skinsback.ErrCallbackBody},
		"two objects":                  {jsonType, sign(minimal(), object) + "{}", skinsback.ErrCallbackBody},
		"unsigned form":                {formType, form, skinsback.ErrCallbackSignature},
		"unsigned JSON":                {jsonType, object, skinsback.ErrCallbackSignature},
		"an empty signature":           {formType, form + "&sign=", skinsback.ErrCallbackSignature},
		"a signature in an object":     {jsonType, strings.TrimSuffix(object, "}") + `,"sign":{"0":"x"}}`, skinsback.ErrCallbackSignature},
		"a key twice in a form":        {formType, sign(minimal(), form+"&status=fail"), skinsback.ErrCallbackBody},
		"a key twice in JSON":          {jsonType, sign(minimal(), `{"status":"fail",`+object[1:]), skinsback.ErrCallbackBody},
		"a key twice but for its case": {jsonType, sign(minimal(), `{"Status":"fail",`+object[1:]), skinsback.ErrCallbackBody},
		"the same in a form":           {formType, sign(with(map[string]string{"Status": "fail"}), form+"&Status=fail"), skinsback.ErrCallbackBody},
		"two signatures":               {formType, sign(minimal(), form) + "&sign=0", skinsback.ErrCallbackBody},
		"a field and an object":        {formType, sign(minimal(), form+"&status[x]=1"), skinsback.ErrCallbackBody},
		"a broken object":              {formType, sign(minimal(), form+"&a[x=1"), skinsback.ErrCallbackBody},
		"a nameless object":            {formType, sign(minimal(), form+"&[x]=1"), skinsback.ErrCallbackBody},
		"a broken form":                {formType, sign(minimal(), form+"&a=%zz"), skinsback.ErrCallbackBody},
		"a field hidden in a value": {
			formType,
			sign(with(map[string]string{"reason": "timeout"}), "order_id="+url.QueryEscape("b1x;reason:timeout")+"&status=success&transaction_id=13"),
			skinsback.ErrCallbackBody,
		},
		"a field hidden in a name": {
			jsonType,
			sign(with(map[string]string{"a": "1", "b": "2"}), `{"a:1;b":"2",`+object[1:]),
			skinsback.ErrCallbackBody,
		},
		"a changed status": {formType, sign(with(map[string]string{"status": "pending"}), form), skinsback.ErrCallbackSignature},
		"no status": {
			jsonType,
			sign(map[string]string{"order_id": "b1x", "transaction_id": "13"}, `{"order_id":"b1x","transaction_id":"13"}`),
			skinsback.ErrCallbackBody,
		},
		"no deposit": {formType, sign(map[string]string{"status": "success", "order_id": "b1x"}, "status=success&order_id=b1x"), skinsback.ErrCallbackBody},
	} {
		got, err := skinsback.VerifyCallback([]byte(c.body), c.kind, key)
		if !errors.Is(err, c.want) || got.Status != "" || got.OrderID != "" {
			t.Errorf("%s: got %+v, %v, want %v", name, got, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "b1x") {
			t.Errorf("%s: the error quotes the body: %v", name, err)
		}
	}
}

// door is a receiver of webhooks that keeps what it took.
func door(t testing.TB) (address string, took <-chan skinsback.Callback) {
	t.Helper()
	taken := make(chan skinsback.Callback, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c, err := skinsback.VerifyCallback(body, r.Header.Get("Content-Type"), secret.New(canary))
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		taken <- c
	}))
	t.Cleanup(s.Close)
	return s.URL, taken
}

func TestVerifyCallback_TakesWhatTheShopSendsAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, format := range []skinsbacktest.Format{skinsbacktest.Form, skinsbacktest.JSON} {
		for _, opts := range [][]skinsbacktest.Option{nil, {skinsbacktest.WithStrings()}} {
			address, took := door(t)
			b := setup(t, append(opts, skinsbacktest.WithWebhooks(format, ""))...)
			b.Provider = build(t, b.URL(), func(cfg *skinsback.Config) {
				cfg.ResultURL = func(o providers.Order) string { return address + "/hooks/" + o.ID }
			})
			b.place(deposit(func(p *messages.DepositParams) { p.CustomCurrency, p.CustomCurrencyRate = "Ж&=", decimal("2") }))
			early, err := b.Webhook(reference)
			b.do(err)
			b.do(b.Hold(reference, "10.01"))
			b.do(b.Release(reference))
			for _, want := range []string{"in_hold", "success"} {
				got := <-took
				if string(got.Status) != want || got.OrderID != reference || got.SteamID != gabe || got.Amount.Value.String() != "10.01" ||
					got.AmountInCurrencies["RUB"].String() != "800.8" || got.CustomCurrency != "Ж&=" || got.InHoldUntil.Time.IsZero() {
					t.Errorf("got %+v, want %s", got, want)
				}
			}
			forged, err := b.Forge(reference, "hold_returned")
			b.do(err)
			tampered, err := b.Tamper(reference, "fail")
			b.do(err)
			for _, w := range []skinsbacktest.Webhook{forged, tampered} {
				if code, err := b.Send(t.Context(), w); code != http.StatusUnauthorized || err != nil {
					t.Errorf("%s: %d, %v", w.Body, code, err)
				}
			}
			for range 2 { // an old one and a repeat are genuine: only the lookup can tell
				if code, err := b.Send(t.Context(), early); code != http.StatusOK || err != nil {
					t.Errorf("%d, %v", code, err)
				}
				if got := <-took; got.Status != skinsback.StatusPending {
					t.Errorf("got %+v", got)
				}
			}
			if len(took) != 0 {
				t.Errorf("%d more were taken", len(took))
			}
		}
	}
}
