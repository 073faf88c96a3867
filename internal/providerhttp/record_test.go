package providerhttp_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

const ourKey = "K3Y/of+ours=="

func disclosure() *providerhttp.Disclosure {
	return providerhttp.Disclose([]string{"status", "message", "offerId", "price", "login"}, []string{"amount"}, secret.New(ourKey))
}

// recorded sends one request and returns its record and the record as it stands
// in an event.
func recorded(t testing.TB, ctx context.Context, c *providerhttp.Client, r providerhttp.Request, sealed bool) (messages.HTTPRecord, string) {
	t.Helper()
	var recorder providers.Recorder
	_, _ = c.Create(providers.WithRecorder(ctx, &recorder), r)
	list := recorder.Records(sealed)
	if len(list) != 1 {
		t.Fatalf("%d records of one request", len(list))
	}
	text, err := json.Marshal(list[0])
	if err != nil {
		t.Fatal(err)
	}
	return list[0], string(text)
}

// answering is a shop that gives one answer to everything.
func answering(t testing.TB, status int, kind, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func buying(base, body string) providerhttp.Request {
	return providerhttp.Request{
		Op: "shop.buy", Method: http.MethodPost, URL: base + "/api/buy?token=in-the-query", Header: http.Header{"Authorization": {ourKey}},
		Body: []byte(body), ContentType: "application/json", Disclose: disclosure(),
	}
}

func sumOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

func TestRecord_TellsBothBodiesWithoutWhatIsNotDeclared(t *testing.T) {
	t.Parallel()
	const asked = `{"offerId":1001,"price":560.10,"customer":{"email":"ann@example.org","card":"2202 2000"}}`
	const answered = `{"status":"COMPLETED","key":"CODE-77-88","pin":4711,"ok":true,"none":null,"empty":"",` +
		`"list":["x",{"status":"a"}],"message":"CODE-77-88 for ann@example.org at https://pay.example/1, 2202 2000"}`
	r, _ := recorded(t, allowed(t), newClient(t, longTimeout), buying(answering(t, 200, "application/json", answered), asked), false)
	if r.Op != "shop.buy" || r.Purpose != messages.PurposeCreate || r.Method != "POST" || r.Path != "/api/buy" || r.Error != nil {
		t.Errorf("%+v", r)
	}
	if r.SentAt == nil || r.AnsweredAt == nil || r.AnsweredAt.Before(*r.SentAt) || r.Status == nil || *r.Status != 200 {
		t.Errorf("sent %v, answered %v, status %v", r.SentAt, r.AnsweredAt, r.Status)
	}
	want := messages.HTTPBody{
		Bytes: len(asked), SHA256: new(sumOf(asked)), ContentType: "application/json",
		Text: `{"offerId":1001,"price":560.10,"customer":{"email":"***","card":"***"}}`,
	}
	if diff := cmp.Diff(want, r.Request); diff != "" {
		t.Error(diff)
	}
	want = messages.HTTPBody{
		Bytes: len(answered), SHA256: new(sumOf(answered)), ContentType: "application/json",
		Text: `{"status":"COMPLETED","key":"***","pin":"***","ok":true,"none":null,"empty":"",` +
			`"list":["***",{"status":"a"}],"message":"*** for *** at *** ***"}`,
	}
	if diff := cmp.Diff(&want, r.Answer); diff != "" {
		t.Error(diff)
	}
}

func TestRecord_OurSecretsAreMaskedInEveryFormTheyAreEchoedIn(t *testing.T) {
	t.Parallel()
	forms := []string{
		ourKey, url.QueryEscape(ourKey), base64.StdEncoding.EncodeToString([]byte(ourKey)), hex.EncodeToString([]byte(ourKey)),
		`\u004b3Y/of+ours==`,
	}
	var answered strings.Builder
	for i, form := range forms {
		fmt.Fprintf(&answered, `,"%s":"x","m%d":{"message":"your key %s is wrong"},"n%d":{"message":"K3Y\u0000/of+ours=="}`, form, i, form, i)
	}
	request := buying(answering(t, 401, "application/json", "{"+answered.String()[1:]+"}"), "login="+url.QueryEscape(ourKey)+"&key="+url.QueryEscape(ourKey)+"&login=gabe")
	request.ContentType = "application/x-www-form-urlencoded"
	request.URL = strings.Replace(request.URL, "/api/buy", "/"+url.PathEscape(ourKey)+"/buy", 1)
	r, text := recorded(t, allowed(t), newClient(t, longTimeout), request, false)
	if r.Request.Text != "login=***&key=***&login=gabe" || !strings.Contains(r.Answer.Text, "your key *** is wrong") {
		t.Errorf("%s\n%s", r.Request.Text, r.Answer.Text)
	}
	for _, form := range append(forms[:4], "in-the-query") {
		if strings.Contains(text, form) {
			t.Errorf("%s stands in %s", form, text)
		}
	}
}

// The answer to a request with the old key may come when the new one is in use.
func TestRecord_AReplacedSecretIsStillMasked(t *testing.T) {
	t.Parallel()
	key := secret.New(ourKey)
	request := buying("", "{}")
	request.Disclose = providerhttp.Disclose([]string{"message"}, nil, key)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secret.Replace(time.Now(), secret.Change{Of: key, By: secret.New("another-key-of-ours")})
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"message":"your key `+r.Header.Get("Authorization")+` is not another-key-of-ours"}`)
	}))
	t.Cleanup(s.Close)
	request.URL = s.URL + "/api/buy"
	r, text := recorded(t, allowed(t), newClient(t, longTimeout), request, false)
	if !strings.Contains(r.Answer.Text, "your key *** is not ***") || strings.Contains(text, ourKey) || strings.Contains(text, "another-key") {
		t.Error(text)
	}
}

func TestRecord_WithoutADisclosureTellsLengthAndSumOnly(t *testing.T) {
	t.Parallel()
	const answered = `{"status":"of another customer"}`
	request := buying(answering(t, 200, "application/json", answered), `{"offerId":1}`)
	request.Disclose = nil
	r, text := recorded(t, allowed(t), newClient(t, longTimeout), request, false)
	if r.Request.Text != "" || !r.Request.Cut || r.Answer.Text != "" || !r.Answer.Cut || strings.Contains(text, "another") {
		t.Error(text)
	}
	if r.Answer.Bytes != len(answered) || *r.Answer.SHA256 != sumOf(answered) {
		t.Error(text)
	}
}

func TestRecord_OfASealedOrderHasNoGoodsAndNoSumToGuessThemBy(t *testing.T) {
	t.Parallel()
	client := newClient(t, longTimeout)
	request := buying(answering(t, 200, "application/json", `{"status":"DONE","key":"0014","amount":"7.77"}`), `{"offerId":1}`)
	r, text := recorded(t, allowed(t), client, request, true)
	if r.Answer.SHA256 != nil || r.Answer.Text != `{"status":"DONE","key":"***","amount":"***"}` || r.Request.SHA256 == nil {
		t.Error(text)
	}
	if open, text := recorded(t, allowed(t), client, request, false); open.Answer.SHA256 == nil || !strings.Contains(open.Answer.Text, "7.77") {
		t.Error(text)
	}
	request.URL = answering(t, 200, "application/json", `{"status":"WAIT"}`)
	if r, text := recorded(t, allowed(t), client, request, true); r.Answer.SHA256 == nil {
		t.Errorf("nothing is masked in it: %s", text)
	}
}

func TestRecord_OfALostAnswerTellsWhatBecameOfTheRequest(t *testing.T) {
	t.Parallel()
	cut := serveWire(t, func(c net.Conn, _ int64) bool {
		_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"key\":\"CODE\","))
		return false
	})
	r, text := recorded(t, allowed(t), newClient(t, longTimeout), buying(cut.URL, `{"offerId":1}`), false)
	if r.SentAt == nil || r.AnsweredAt != nil || r.Answer != nil || *r.Status != 200 || !strings.HasPrefix(*r.Error, "unreadable") || strings.Contains(text, "CODE") {
		t.Error(text)
	}
	gone := serveWire(t, func(net.Conn, int64) bool { return false })
	if r, text = recorded(t, allowed(t), newClient(t, longTimeout), buying(gone.URL, `{}`), false); r.SentAt == nil || r.Status != nil || r.Error == nil {
		t.Error(text)
	}
	silent := serveWire(t, func(c net.Conn, _ int64) bool { _, _ = c.Read(make([]byte, 1)); return false })
	if r, text = recorded(t, allowed(t), newClient(t, shortTimeout), buying(silent.URL, `{}`), false); r.SentAt == nil || !strings.HasPrefix(*r.Error, "timeout") {
		t.Error(text)
	}
	refusing := providers.WithSendGuard(t.Context(), func() error { return fmt.Errorf("the permit is old") })
	if r, text = recorded(t, refusing, newClient(t, longTimeout), buying(gone.URL, `{}`), false); r.SentAt != nil || *r.Error != "not_sent: the permit is old" {
		t.Error(text)
	}
}

func TestRecord_IsShortHoweverLongTheBodies(t *testing.T) {
	t.Parallel()
	for _, n := range []int{10, 300, 5_000} {
		many := strings.Repeat(`{"status":"x","key":"CODE-99"},`, n)
		asked, answered := `[`+many+`{}]`, `{"list":[`+many+`{}]}`
		r, text := recorded(t, allowed(t), newClient(t, longTimeout), buying(answering(t, 200, "application/json", answered), asked), false)
		if len(r.Request.Text) > 1100 || len(r.Answer.Text) > 2100 || len(text) > 6_000 || strings.Contains(text, "CODE-99") {
			t.Errorf("%d: request %d, answer %d, record %d bytes", n, len(r.Request.Text), len(r.Answer.Text), len(text))
		}
		if r.Answer.Cut != (n > 10) || r.Answer.Bytes != len(answered) || *r.Answer.SHA256 != sumOf(answered) {
			t.Errorf("%d: cut %v, %d bytes", n, r.Answer.Cut, r.Answer.Bytes)
		}
	}
}

func TestRecord_OfWhatCannotBeReadTellsWhatCameBeforeAndNoMore(t *testing.T) {
	t.Parallel()
	for answered, want := range map[string]string{
		`<html><title>502 CODE</title>`:     ``,
		`"CODE"`:                            ``,
		`status=CODE`:                       ``,
		`{"status":"DONE","key":"CODE`:      `{"status":"DONE","key":…`,
		`{"status":"DONE"} {"status":CODE}`: `{"status":"DONE"}{"status":…`,
		`{"status":"DONE",CODE`:             `{"status":"DONE"…`,
	} {
		r, text := recorded(t, allowed(t), newClient(t, longTimeout), buying(answering(t, 502, "text/html", answered), `{}`), false)
		if r.Answer == nil || r.Answer.Text != want || !r.Answer.Cut || strings.Contains(text, "CODE") {
			t.Errorf("%s\n became %s\n want   %s", answered, text, want)
		}
	}
}

func TestRecord_OfABodyWithTooMuchToHideTellsNothing(t *testing.T) {
	t.Parallel()
	var answered strings.Builder
	for i := range 2_000 {
		fmt.Fprintf(&answered, `{"status":"x","key":"CODE-%d"},`, i)
	}
	url := answering(t, 200, "application/json", "["+answered.String()+"{}]")
	r, text := recorded(t, allowed(t), newClient(t, longTimeout), buying(url, `{"offerId":1}`), false)
	if r.Answer.Text != "" || !r.Answer.Cut || r.Answer.Bytes == 0 || strings.Contains(text, "CODE") {
		t.Error(text)
	}
}

// A value under a name that nobody declared never comes into a record, wherever
// it stands and wherever else it is quoted.
func TestRecord_NoShapeOfAnAnswerShowsAnUndeclaredValue(t *testing.T) {
	t.Parallel()
	client := newClient(t, longTimeout)
	var body string
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
	t.Cleanup(shop.Close)
	ctx := allowed(t)
	const code = "GOODS-5501-7712"
	rapid.Check(t, func(rt *rapid.T) {
		var value func(depth int) any
		value = func(depth int) any {
			switch n := rapid.IntRange(0, 6).Draw(rt, "kind"); {
			case n == 0 && depth < 4:
				list := make([]any, rapid.IntRange(0, 3).Draw(rt, "items"))
				for i := range list {
					list[i] = value(depth + 1)
				}
				return list
			case n <= 3 && depth < 4:
				object := map[string]any{}
				for range rapid.IntRange(0, 4).Draw(rt, "fields") {
					name := rapid.SampledFrom([]string{"key", "pin", "Status ", "data", code}).Draw(rt, "name")
					object[name] = value(depth + 1)
				}
				object["message"] = "it is " + code + rapid.String().Draw(rt, "text")
				return object
			case n == 4:
				return json.Number("550177125501")
			default:
				return code
			}
		}
		raw, err := json.Marshal(map[string]any{"key": code, "pin": json.Number("550177125501"), "rest": value(0)})
		if err != nil {
			rt.Fatal(err)
		}
		if body = string(raw); rapid.Bool().Draw(rt, "cut") {
			body = body[:rapid.IntRange(len(`{"key":"`+code+`"`), len(body)).Draw(rt, "length")]
		}
		_, text := recorded(t, ctx, client, buying(shop.URL, `{}`), rapid.Bool().Draw(rt, "sealed"))
		if strings.Contains(text, code) || strings.Contains(text, "550177125501") {
			rt.Fatalf("%s\n became %s", body, text)
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	const answered = `{"orderId":10222502,"count":1,"price":560.10,"currency":"RUB","offerId":1001,"productName":"PUBG MOBILE GIFT","offerName":"60 UC",` +
		`"status":"COMPLETED","isReturnDataForCustomer":true,"key":"001434249936","createdAt":"2026-11-21T20:54:01.123Z"}`
	var recorder providers.Recorder
	c := providerhttp.New(providerhttp.Config{Name: "shop", Timeout: longTimeout, Limiter: &limiter{}})
	b.Cleanup(c.Close)
	ctx := providers.WithSendGuard(b.Context(), func() error { return nil })
	_, err := c.Create(providers.WithRecorder(ctx, &recorder),
		buying(answering(b, 200, "application/json", answered), `{"offerId":1001,"price":560.10,"transactionId":"b16csxjaq5h2x2rdpfgcsggpuf","customer":{"email":"user@gmail.com"}}`))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		recorder.Records(false)
	}
}
