package providerhttp_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/beltline-io/beltline/internal/providerhttp"
)

// Whatever a provider sends, its record is short, plain text without our secret,
// and can be written.
func FuzzRecord(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `[[[[`, `{"status":"` + ourKey + `"}`, `{"` + ourKey + `":1}`, "{\"status\":\"K3Y\u200b/of+ours==\"}", `{"status":"K3Y \/of+ours=="}`,
		`status=` + ourKey + `&login=%ff`, "{\"status\":\"\u202e\\u0000\"}", `{"status":1e999,"status":{"status":["x"]}}`, "\xef\xbb\xbf{\"message\":\"a\nb\"}",
	} {
		f.Add([]byte(body), "application/json", true)
		f.Add([]byte(body), "application/x-www-form-urlencoded", false)
	}
	f.Fuzz(func(t *testing.T, body []byte, kind string, sealed bool) {
		request := providerhttp.Request{URL: "https://shop.example/a", Body: body, ContentType: "application/x-www-form-urlencoded", Disclose: disclosure()}
		r := providerhttp.Record(request, &providerhttp.Response{Status: 200, Header: http.Header{"Content-Type": {kind}}, Body: body}, sealed)
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 16_000 || strings.Contains(r.Answer.Text+r.Request.Text+r.Answer.ContentType, ourKey) {
			t.Errorf("%q became %s", body, text)
		}
		for _, told := range []string{r.Answer.Text, r.Request.Text} {
			if !utf8.ValidString(told) || strings.ContainsFunc(told, unicode.IsControl) {
				t.Errorf("%q became %q", body, told)
			}
		}
	})
}
