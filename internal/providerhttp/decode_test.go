package providerhttp_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/providers"
)

func TestStatusError_SaysOnlyWhatTheStatusProves(t *testing.T) {
	t.Parallel()
	for status := 200; status <= 599; status++ {
		e := providerhttp.StatusError("shop.buy", &providerhttp.Response{Status: status, Header: http.Header{"Retry-After": {"7"}}})
		class, code, after := providers.Ambiguous, "http_"+json.Number(itoa(status)).String(), time.Duration(0)
		switch {
		case status < 300:
			code = providers.CodeUnreadable
		case status == 429:
			class, after = providers.Retryable, 7*time.Second
		}
		if e.Class != class || e.Code != code || e.RetryAfter != after || e.HTTPStatus != status {
			t.Errorf("%d: %v, retry after %v", status, e, e.RetryAfter)
		}
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestRetryAfter_ReadsSecondsAndDatesWithinReason(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, " 5 ": 5 * time.Second, "-5": 0, "soon": 0, "1.5": 0,
		"99999999999999": 24 * time.Hour, "999999999999999999999999": 0,
		"Sat, 21 Nov 2026 12:01:00 GMT": time.Minute,
		"Sat, 21 Nov 2026 11:00:00 GMT": 0,
		"Sat, 21 Nov 2099 11:00:00 GMT": 24 * time.Hour,
	} {
		if got := providerhttp.RetryAfterAt(text, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

type answer struct {
	Error  any         `json:"error"`
	ID     json.Number `json:"id"`
	Nested struct {
		Key string `json:"key"`
	} `json:"nested"`
}

func TestDecodeJSON_ReadsWhatCanOnlyMeanOneThing(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"error":false,"id":7}`,
		"\xef\xbb\xbf{\"error\":false,\"id\":7}\r\n",
		`{"error":false,"id":"7","new":{"id":1,"error":[{"id":2},{"id":3}]}}`,
		`{"ID":7}`,
	} {
		var a answer
		if err := providerhttp.DecodeJSON("shop.buy", &providerhttp.Response{Status: 200, Body: []byte(body)}, &a); err != nil || a.ID != "7" {
			t.Errorf("%s: %+v, %v", body, a, err)
		}
	}
	var v any
	if err := providerhttp.DecodeJSON("x", &providerhttp.Response{Body: []byte(`1526.3599853515625`)}, &v); err != nil || v != json.Number("1526.3599853515625") {
		t.Errorf("got %#v, %v, want the literal", v, err)
	}
}

func TestDecodeJSON_RefusesWhatIsNotOneValue(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty": "", "blank": " \n", "mark only": "\xef\xbb\xbf", "text": "CANARY", "html": "<html>CANARY</html>",
		"half": `{"id":1`, "trailing": `{"id":1}{"id":2}`, "trailing text": `{"id":1} CANARY`, "NaN": `{"id":NaN}`,
		"twice": `{"id":1,"id":2}`, "twice nested": `{"nested":{"key":"a","key":"b"}}`, "twice in array": `{"x":[{"a":1,"a":1}]}`,
		"twice by case": `{"error":true,"Error":false}`, "twice by folding": `{"ſ":1,"s":2}`, "twice after object": `{"a":{"b":1},"a":2}`,
		"escaped twice": `{"id":1,"\u0069d":2}`,
		"wrong type":    `{"nested":"CANARY"}`, "array": `[1]`, "utf-16": "{\x00}\x00",
	} {
		var a answer
		err := providerhttp.DecodeJSON("shop.buy", &providerhttp.Response{Status: 200, Body: []byte(body)}, &a)
		if err == nil {
			t.Errorf("%s: accepted as %+v", name, a)
			continue
		}
		mustFail(t, err, providers.Ambiguous, providers.CodeUnreadable)
		if strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v repeats the body", name, err)
		}
	}
}

func TestDecodeJSON_DeepNestingIsAnErrorNotACrash(t *testing.T) {
	t.Parallel()
	var v any
	body := []byte(strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000))
	if err := providerhttp.DecodeJSON("x", &providerhttp.Response{Body: body}, &v); err == nil {
		t.Error("accepted")
	}
}

func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{"error":false,"id":7}`, `{"a":[{"b":1},{"b":2}],"a":3}`, "\xef\xbb\xbf{}", `"\ud800"`, `{"ſ":1,"s":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var v any
		err := providerhttp.DecodeJSON("x", &providerhttp.Response{Body: body}, &v)
		if err != nil {
			if err.Class != providers.Ambiguous {
				t.Fatalf("%v: unreadable must be ambiguous", err)
			}
			return
		}
		if _, e := json.Marshal(v); e != nil {
			t.Fatalf("accepted %q, which is no JSON: %v", body, e)
		}
	})
}

func TestShorten_LeavesPlainTextOnly(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"balance over": "balance over",
		"Недостаточно средств": "Недостаточно средств",
		"a\r\nb\tc\x00d":                "a b cd",
		"\x1b[31mred\x1b[0m":            "red",
		"\x1b]0;title\x07text":          "text",
		"\u009b31mred":                  "red",
		"abc\u202egnp.exe\u2066\u200b!": "abcgnp.exe!",
		"bad\xff":                       "bad\uFFFD",
		"  ":                            "",
	} {
		if got := providerhttp.Shorten(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := providerhttp.Shorten(strings.Repeat("ы", 400)); len(got) > 300 || !strings.HasSuffix(got, "ы…") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

func FuzzShorten(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m\xff\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		got := providerhttp.Shorten(s)
		if len(got) > 300 || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Fatalf("%q became %q", s, got)
		}
		if again := providerhttp.Shorten(got); again != got {
			t.Fatalf("%q became %q, then %q", s, got, again)
		}
	})
}

func TestParseBaseURL_AllowsPlainHTTPOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, ok := range []string{"https://balancesteam.ru", "https://host/api/userapi/v1", "http://127.0.0.1:8080", "http://[::1]:1/x", "http://localhost:9"} {
		if u, err := providerhttp.ParseBaseURL(ok); err != nil || u.String() != ok {
			t.Errorf("%s: %v, %v", ok, u, err)
		}
	}
	for _, bad := range []string{
		"", "balancesteam.ru", "http://balancesteam.ru", "http://10.0.0.1", "http://127.0.0.1.evil.example", "http://localhost.evil.example",
		"https://user:CANARY@host", "https://host?key=CANARY", "https://host?", "https://host#CANARY", "ftp://host", "https:host", "https://", "https://%zzCANARY", "file:///etc/passwd",
	} {
		u, err := providerhttp.ParseBaseURL(bad)
		if err == nil {
			t.Errorf("%s: accepted as %v", bad, u)
		} else if strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%v repeats the URL", err)
		}
	}
}

func TestScrub_KeepsOurWordsAndDropsTheServers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`net/http: HTTP/1.x transport connection broken: malformed HTTP response "CANARY"`: "malformed HTTP response",
		"malformed MIME header line: CANARY":                                               "malformed MIME header line",
		"http: server closed idle connection":                                              "server closed idle connection",
		"remote error: tls: protocol version not ...":                                      "TLS: protocol version not ...",
		`"CANARY"`: "the connection failed",
	} {
		if got := providerhttp.Scrub(errors.New(text)).Error(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	wrapped := &url.Error{Op: "Post", URL: "https://host?key=CANARY", Err: errors.New("x")}
	if got := providerhttp.Scrub(wrapped).Error(); strings.Contains(got, "CANARY") {
		t.Errorf("%q holds the URL", got)
	}
}
