package skinsback_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/skinsback"
)

// seed adds every published answer and every documented error.
func seed(f *testing.F, more ...string) {
	f.Helper()
	files, err := filepath.Glob("testdata/*.response.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no fixtures", err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		more = append(more, string(body))
	}
	for _, d := range documented {
		more = append(more, errorBody(d.code, d.create), errorBody(d.code, d.asked))
	}
	for _, body := range append(more, "", "null", "[]", "\xef\xbb\xbf{}", `{"status":{}}`, `{"status":"error","error_code":1e9}`) {
		for _, status := range []int{200, 404, 429, 502} {
			f.Add(status, []byte(body))
		}
	}
}

// judgeError holds what must be true of any error, whatever was answered.
func judgeError(t *testing.T, status int, body []byte, err error) {
	t.Helper()
	e := providers.AsError(err)
	switch {
	case e.Code == "" || e.Op == "" || len(e.Code) > 300 || len(e.Message) > 300:
		t.Fatalf("HTTP %d %q: %+v", status, body, e)
	case e.Class == providers.Invalid, (status >= 500 || status >= 300 && status < 400) && e.Class != providers.Ambiguous:
		t.Fatalf("HTTP %d %q is %v", status, body, e.Class)
	case (e.Class == providers.Rejected || e.Class == providers.Blocked) && !json.Valid(trimmed(body)):
		t.Fatalf("%q cannot be read and is %v", body, e.Class)
	case e.Exists && e.Class != providers.Ambiguous:
		t.Fatalf("%q exists and is %v", body, e.Class)
	}
}

// trimmed is a body without the mark that JSON must not begin with and does.
func trimmed(body []byte) []byte {
	if len(body) >= 3 && string(body[:3]) == "\xef\xbb\xbf" {
		return body[3:]
	}
	return body
}

// FuzzCreate holds that no body makes a deposit without a number and an
// address, and that nobody is refused by less than the document's codes.
func FuzzCreate(f *testing.F) {
	seed(f)
	p := skinsback.BareProvider(canary)
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		answer, err := p.JudgeCreate(&providerhttp.Response{Status: status, Body: body})
		if err != nil {
			judgeError(t, status, body, err)
			return
		}
		if status < 200 || status > 299 || answer.Action == nil || answer.Action.URL[:8] != "https://" || !skinsback.ID(answer.Ref["transaction_id"]).Valid() {
			t.Fatalf("HTTP %d %q gave %+v", status, body, answer)
		}
	})
}

// FuzzStatus holds that a question is never answered by a refusal, and that
// only a success with a sum is one.
func FuzzStatus(f *testing.F) {
	const sums = `,"amount":"1","amount_currency":"usd","amount_in_currencies":{"usd":1},"in_hold_until":1764500000,"reason":"timeout"`
	var bodies []string
	for _, status := range []string{"success", "pending", "fail", "in_hold", "hold_approved", "hold_returned", "new"} {
		bodies = append(bodies, ours(status, sums), ours(status, ""))
	}
	seed(f, bodies...)
	p := skinsback.BareProvider(canary)
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		answer, err := p.JudgeStatus(deposit(), &providerhttp.Response{Status: status, Body: body})
		if err != nil {
			if judgeError(t, status, body, err); providers.ClassOf(err) == providers.Rejected {
				t.Fatalf("%q refuses a deposit", body)
			}
			return
		}
		if status < 200 || status > 299 {
			t.Fatalf("HTTP %d was read as an answer", status)
		}
		var told struct {
			Amount *struct{ Amount, Currency string }
		}
		if answer.Status == providers.StatusSucceeded &&
			(json.Unmarshal(answer.Deliverable, &told) != nil || told.Amount == nil || told.Amount.Amount == "" || told.Amount.Currency == "") {
			t.Fatalf("%q succeeded with %s", body, answer.Deliverable)
		}
		if answer.Status == providers.StatusAbsent || (answer.Status == providers.StatusFailed || answer.Status == providers.StatusReversed) && answer.Code == "" {
			t.Fatalf("%q gave %+v", body, answer)
		}
		if _, err := json.Marshal(answer); err != nil {
			t.Fatalf("%q cannot be stored: %v", body, err)
		}
	})
}

// FuzzVerifyCallback holds that what is taken names its deposit, that a body
// without our signature is never taken, and that there is no fourth error.
func FuzzVerifyCallback(f *testing.F) {
	f.Add([]byte(sign(minimal(), "status=success&order_id=b1x&transaction_id=13&amount_in_currencies[usd]=1")), formType)
	f.Add([]byte(sign(minimal(), `{"status":"success","order_id":"b1x","transaction_id":13,"skins":[]}`)), jsonType)
	f.Add([]byte("a[b][c]=1&a[=2&[]=3"), formType)
	f.Add([]byte(`{"sign":null,"a":{"b":[true,1e5]}}`), jsonType)
	f.Fuzz(func(t *testing.T, body []byte, kind string) {
		if _, err := skinsback.VerifyCallback(body, kind, secret.New(canary)); err == nil {
			t.Fatalf("%q is taken without our signature", body)
		}
		c, err := skinsback.VerifyCallback(body, kind, key)
		switch {
		case err == nil && (c.Status == "" || c.OrderID == "" || !c.TransactionID.Valid()):
			t.Fatalf("%q was taken as %+v", body, c)
		case err != nil && !errors.Is(err, skinsback.ErrCallbackBody) && !errors.Is(err, skinsback.ErrCallbackType) && !errors.Is(err, skinsback.ErrCallbackSignature):
			t.Fatalf("%q: %v", body, err)
		}
	})
}
