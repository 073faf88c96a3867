package balancesteam_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam"
)

// FuzzRead holds the reading of any answer to what must always be true of it:
// nobody is told "no" or "yes" by less than the document's words.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.response.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no fixtures", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(200, b)
		f.Add(502, b)
	}
	f.Add(429, []byte(`{"error":true,"message":"KEY"}`))
	f.Add(200, []byte(`{"error":true,"id":1,"message":"no"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		status = 200 + abs(status)%400
		a, err := balancesteam.Read("KEY", &providerhttp.Response{Status: status, Body: body})
		if err == nil {
			if status >= 300 && status < 400 || status >= 500 {
				t.Fatalf("%d %q was taken for an answer", status, body)
			}
			if !strings.Contains(strings.ToLower(string(body)), "false") && !strings.Contains(string(body), `\u`) {
				t.Fatalf("%q agrees without saying error:false", body)
			}
			if id, ok := balancesteam.PaymentID(a); ok && (len(id) > 19 || id[0] == '0' || id[0] == '-') {
				t.Fatalf("%q is an id", id)
			}
			balance, price := balancesteam.Amounts(a)
			for _, amount := range []string{balance, price} {
				if _, err := money.ParseDecimal(amount); amount != "" && err != nil {
					t.Fatalf("%q is an amount: %v", amount, err)
				}
			}
			return
		}
		e := providers.AsError(err)
		if status >= 500 && e.Class != providers.Ambiguous {
			t.Fatalf("%d %q: %v", status, body, err)
		}
		if e.Class == providers.Rejected && !strings.Contains(strings.ToLower(string(body)), "true") && !strings.Contains(string(body), `\u`) {
			t.Fatalf("%q refuses without saying error:true", body)
		}
		if e.Code == "" || len(e.Code) > 300 || len(e.Message) > 300 || strings.Contains(err.Error(), "KEY") {
			t.Fatalf("%d %q: %q", status, body, err)
		}
	})
}

func abs(n int) int { return max(n, -(n + 1)) }
