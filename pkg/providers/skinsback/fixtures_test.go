package skinsback_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/skinsback"
)

// The fixtures, by what they are used for in the test below.
const (
	headersRequest   = "create.headers.request.form"
	signatureRequest = "create.signature.request.form"
	createAnswer     = "create.documented.response.json"
	createError      = "create.error.response.json"
)

func fixture(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// TestClient_SpeaksAsTheDocumentShows sends the two published requests and
// reads the two published answers.
func TestClient_SpeaksAsTheDocumentShows(t *testing.T) {
	t.Parallel()
	request := skinsback.CreateRequest{OrderID: "1", SteamID: gabe, TradeToken: "i1ArBZey", Currency: "usd"}
	for _, c := range []struct{ fixture, auth, id, sign string }{
		{headersRequest, skinsback.AuthHeaders, "12312312323123", ""},
		// The signature was computed with openssl over the published fields.
		{signatureRequest, skinsback.AuthSignature, "1", "192b047ade515683d6bfdc45cf8b83bfe61d4860"},
	} {
		t.Run(c.fixture, func(t *testing.T) {
			t.Parallel()
			as := func(cfg *skinsback.Config) {
				cfg.ClientID, cfg.ClientSecret, cfg.Auth = c.id, secret.New("123123123123213"), c.auth
			}
			s := say(t, 200, fixture(t, createAnswer))
			got, err := build(t, s.URL, as).Client().Create(guarded(t), request)
			if err != nil {
				t.Fatal(err)
			}
			want := &skinsback.CreateResponse{
				URL: "https://skinsback.com/_/pay/9421749033d9d3f725c67572575975de/", TransactionID: "13",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			published, err := url.ParseQuery(fixture(t, c.fixture))
			if err != nil {
				t.Fatal(err)
			}
			form, header := s.last(t)
			id, key := header.Get("X-CLIENT-ID"), header.Get("X-CLIENT-SECRET")
			if c.sign == "" && (id != c.id || key != "123123123123213") || c.sign != "" && (id != "" || key != "") {
				t.Errorf("sent the headers %q and %q", id, key)
			}
			if form.Get("sign") != c.sign {
				t.Errorf("signed %q, want %q", form.Get("sign"), c.sign)
			}
			form.Del("sign")
			if diff := cmp.Diff(published, form); diff != "" {
				t.Errorf("fields (-published +sent):\n%s", diff)
			}
			_, err = build(t, say(t, 200, fixture(t, createError)).URL, as).Client().Create(guarded(t), request)
			if e := mustFail(t, err, providers.Rejected, "1"); e.Message != "invalid_order_id" {
				t.Errorf("got %v", e)
			}
		})
	}
}

func TestFixtures_AreAllUsedAndUnchanged(t *testing.T) {
	t.Parallel()
	used := map[string]bool{headersRequest: true, signatureRequest: true, createAnswer: true, createError: true}
	sources := fixture(t, "SOURCES.md")
	files, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := f.Name()
		if name == "SOURCES.md" || f.IsDir() && (name == "fuzz" || name == "rapid") {
			continue
		}
		if !used[name] {
			t.Errorf("%s is used by no test", name)
		}
		delete(used, name)
		content, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		if row := "| `" + name + "` | " + hex.EncodeToString(sum[:8]) + " |"; !strings.Contains(sources, row) {
			t.Errorf("SOURCES.md does not have %s", row)
		}
	}
	for name := range used {
		t.Errorf("%s is missing", name)
	}
}
