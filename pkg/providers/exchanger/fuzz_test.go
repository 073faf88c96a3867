package exchanger_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/exchanger"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
)

// seed adds every fixture, and what else has been thought of.
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
		f.Add(200, body)
		f.Add(503, body)
	}
	for fields := range vendorErrors {
		f.Add(200, []byte("{"+fields+"}"))
	}
	for _, body := range []string{
		"", "null", "[]", "{}", "\xef\xbb\xbf{}", "<html>", `{"error":0}`, `{"error":"0","data":{"items":{"1":{"id":1}}}}`,
		`{"error":0,"data":{"id":1,"api_actions":[],"give_fields":{"2":{"name":"cf1","options":{"a":"b"}}}}}`,
		`{"error":"0","data":{"id":1,"status":"new","amount_give":"&lt;b&gt;3 000","currency_code_give":"rub"}}`,
	} {
		f.Add(200, []byte(body))
	}
}

func FuzzEnvelope(f *testing.F) {
	seed(f)
	client := exchanger.BareClient(login, key)
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		for purpose := range exchanger.Purposes {
			data, err := client.Open("fuzz", purpose, &providerhttp.Response{Status: status, Body: body})
			e := providers.AsError(err)
			switch {
			case err == nil && (status < 200 || status > 299):
				t.Fatalf("HTTP %d was read as an answer", status)
			case err == nil:
				exchanger.DecodeAll(data, func(name string, v any) {
					if _, err := json.Marshal(v); err != nil {
						t.Fatalf("%s: what was read cannot be written: %v", name, err)
					}
				})
			case e.Code == "" || e.Op != "exchanger.fuzz":
				t.Fatalf("an error without code or operation: %v", err)
			case e.Class == providers.Invalid, status != 429 && (status < 200 || status > 299) && e.Class != ambiguous:
				t.Fatalf("HTTP %d is %v", status, e.Class)
			case purpose == exchanger.Checking && e.Class == rejected:
				t.Fatalf("something that was placed is refused: %v", err)
			case e.Class != ambiguous && status != 429 && !json.Valid(body) && string(body[:min(3, len(body))]) != "\xef\xbb\xbf":
				t.Fatalf("what cannot be read is %v", e.Class)
			}
			if err != nil && checkPlain(e.Message, 400) != "" {
				t.Fatalf("message %q: %s", e.Message, checkPlain(e.Message, 400))
			}
		}
	})
}

// FuzzPlace holds that no body ends a bid but by the documented words, and that
// nothing a site writes reaches the customer as markup.
func FuzzPlace(f *testing.F) {
	seed(f)
	quote := money.Must("3030", "RUB")
	plan := providers.Plan{Quote: &quote, Data: map[string]string{"direction_id": exchangertest.DirectionCard, "currency_get": "USDT"}}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		answer, err := exchanger.Judge(sample(), plan, &providerhttp.Response{Status: status, Body: body})
		if err != nil {
			return
		}
		if answer.Ref["id"] == "" || status < 200 || status > 299 {
			t.Fatalf("HTTP %d gave %v without a bid", status, answer.Status)
		}
		switch answer.Status {
		case providers.StatusSucceeded:
			var o map[string]any
			if json.Unmarshal(answer.Deliverable, &o) != nil || o == nil || answer.Finality != messages.Final {
				t.Fatalf("succeeded with %q", answer.Deliverable)
			}
		case providers.StatusFailed:
			if answer.Code != "cancel" && answer.Code != "delete" {
				t.Fatalf("failed for %q", answer.Code)
			}
		case providers.StatusActionRequired:
			a := answer.Action
			for _, text := range []string{a.Type, a.Instruction, a.Address, a.DestTag} {
				if why := checkPlain(text, 4000); why != "" {
					t.Fatalf("%q: %s", text, why)
				}
			}
		case providers.StatusProcessing, providers.StatusUnknown:
		default:
			t.Fatalf("placing gave %v", answer.Status)
		}
	})
}

func FuzzPlain(f *testing.F) {
	for _, text := range []string{"<p>a</p>", "&lt;b&gt;", "<<b>script>", "<!--", "<amp;<", "3&nbsp;000", "\u202e<\u200bb>", "<script", "&amp;amp;lt;i&gt;", "-007.50 RUB"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := exchanger.Plain(text, 500)
		if why := checkPlain(got, 500); why != "" {
			t.Fatalf("%q: %s", got, why)
		}
		if a := exchanger.ParseAmount(text); a.Valid {
			if again := exchanger.ParseAmount(a.Value.String()); !again.Valid || !again.Value.Equal(a.Value) {
				t.Fatalf("%q is read as %s, and that as %s", text, a.Value, again.Value)
			}
		}
	})
}
