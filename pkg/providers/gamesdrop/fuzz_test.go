package gamesdrop_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop"
)

// seed adds every published answer, and what else has been thought of.
func seed(f *testing.F) {
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
		for _, status := range []int{200, 400, 503} {
			f.Add(status, body)
		}
	}
	for code := range documentedCodes {
		for _, body := range errorBodies(code) {
			f.Add(400, []byte(body))
		}
	}
	for _, body := range []string{"", "null", "[]", `{"orderId":1e3,"error":{}}`, "\xef\xbb\xbf{}", `{"error":{"code":{}}}`, `{"transactions":null}`} {
		f.Add(200, []byte(body))
		f.Add(401, []byte(body))
	}
}

// decodable are the answers by the names of the endpoints.
func decodable() map[string]func() any {
	return map[string]func() any{
		"balance":      func() any { return new(gamesdrop.BalanceResponse) },
		"transactions": func() any { return new(gamesdrop.TransactionsResponse) },
		"find one":     func() any { return new(gamesdrop.FindOneResponse) },
		"order":        func() any { return new(gamesdrop.Order) },
		"player":       func() any { return new(gamesdrop.CheckGameDataResponse) },
		"telegram":     func() any { return new(gamesdrop.TelegramUserResponse) },
	}
}

func FuzzDecode(f *testing.F) {
	seed(f)
	client := gamesdrop.BareClient(token)
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		r := &providerhttp.Response{Status: status, Body: body}
		for name, into := range decodable() {
			for purpose := range gamesdrop.Purposes {
				out := into()
				err := client.Decode("gamesdrop.fuzz", purpose, r, out)
				switch e := providers.AsError(err); {
				case err == nil && (status < 200 || status > 299):
					t.Fatalf("%s: HTTP %d was read as an answer", name, status)
				case err == nil:
					if _, err := json.Marshal(out); err != nil {
						t.Fatalf("%s: what was read cannot be written: %v", name, err)
					}
				case e.Code == "" || e.Op == "":
					t.Fatalf("%s: an error without code or operation: %v", name, err)
				case e.Class == providers.Invalid, status >= 500 && e.Class != providers.Ambiguous:
					t.Fatalf("%s: HTTP %d is %v", name, status, e.Class)
				case purpose == gamesdrop.Checking && e.Class == providers.Rejected:
					t.Fatalf("%s: an order that was taken is refused: %v", name, err)
				case e.Class == providers.Rejected && !json.Valid(body):
					t.Fatalf("%s: what cannot be read is a definite no: %v", name, err)
				}
			}
		}
	})
}

// FuzzPlace holds that no body makes an order fail or succeed without an id,
// and that only the document's words end it.
func FuzzPlace(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		answer, err := gamesdrop.Judge(sample(), plan(), &providerhttp.Response{Status: status, Body: body})
		if err != nil {
			return
		}
		if answer.Ref["order_id"] == "" || status < 200 || status > 299 {
			t.Fatalf("HTTP %d gave %v without an order", status, answer.Status)
		}
		switch answer.Status {
		case providers.StatusSucceeded:
			var o map[string]any
			if json.Unmarshal(answer.Deliverable, &o) != nil || o == nil {
				t.Fatalf("succeeded with %q", answer.Deliverable)
			}
		case providers.StatusFailed:
			if answer.Code != "CANCELED" && answer.Code != "REFUND" {
				t.Fatalf("failed for %q", answer.Code)
			}
		case providers.StatusProcessing:
		default:
			t.Fatalf("placing gave %v", answer.Status)
		}
	})
}
