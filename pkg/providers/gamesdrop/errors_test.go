package gamesdrop_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop"
)

const (
	ambiguous = providers.Ambiguous
	rejected  = providers.Rejected
	retryable = providers.Retryable
	blocked   = providers.Blocked
)

// documentedCodes is the contract's and the document's table, by hand: what
// each code means to a create, to a question before it, and to a lookup.
var documentedCodes = map[string]struct{ create, read, status providers.Class }{
	"INVALID_TOKEN":          {blocked, blocked, blocked},
	"OFFER_NOT_FOUND":        {rejected, rejected, ambiguous},
	"TRANSACTION_DUPLICATE":  {ambiguous, ambiguous, ambiguous},
	"WRONG_PRICE":            {retryable, ambiguous, ambiguous},
	"ORDER_NOT_FOUND":        {ambiguous, ambiguous, ambiguous},
	"ORDER_NOT_PROCESSING":   {ambiguous, ambiguous, ambiguous},
	"ORDER_NOT_COMPLETED":    {ambiguous, ambiguous, ambiguous},
	"ORDER_ALREADY_CANCELED": {ambiguous, ambiguous, ambiguous},
	"ORDER_ALREADY_REFUNDED": {ambiguous, ambiguous, ambiguous},
	"SERVICE_UNAVAILABLE":    {ambiguous, ambiguous, ambiguous},
	"INVALID_REQUEST_BODY":   {rejected, rejected, ambiguous},
	"INSUFFICIENT_BALANCE":   {blocked, blocked, ambiguous},
	"BALANCE_UNAVAILABLE":    {ambiguous, ambiguous, ambiguous},
	"SOMETHING_NEW":          {ambiguous, ambiguous, ambiguous}, // of no document
}

// errorBodies are the four shapes in which errors have been seen or guessed.
func errorBodies(code string) []string {
	return []string{
		fmt.Sprintf(`{"error":{"code":%q,"message":"in words"}}`, code),
		fmt.Sprintf(`{"error":{"code":%q}}`, code),
		fmt.Sprintf(`{"error":%q,"message":"in words"}`, code),
		fmt.Sprintf(`{"code":%q,"message":"in words"}`, code),
		fmt.Sprintf(`{"statusCode":400,"message":%q}`, code),
		fmt.Sprintf(`{"statusCode":400,"message":%q,"error":"Bad Request"}`, code),
	}
}

// plan is what Prepare would have found for the sample offer.
func plan() providers.Plan {
	return providers.Plan{Quote: rub("560.10"), Data: map[string]string{"price": "560.10", "currency": "RUB", "offer_id": "1001"}}
}

func sample() providers.Order {
	return offerOrder(messages.OfferParams{OfferID: 1001, Email: "user@gmail.com", GameUserID: "52357322414"})
}

// ask asks one of the three kinds of questions and returns its error.
var ask = map[string]func(testing.TB, *gamesdrop.Provider) error{
	createPath: func(t testing.TB, p *gamesdrop.Provider) error {
		_, err := p.Place(guarded(t), sample(), plan())
		return err
	},
	findPath: func(t testing.TB, p *gamesdrop.Provider) error {
		_, err := p.Prepare(t.Context(), sample())
		return err
	},
	statusPath: func(t testing.TB, p *gamesdrop.Provider) error {
		o := sample()
		o.Ref = map[string]string{"order_id": "10222502"}
		_, err := p.Lookup(t.Context(), o)
		return err
	},
}

func TestErrors_EveryCodeInEveryShapeUnderEveryStatusHasItsClass(t *testing.T) {
	t.Parallel()
	for code, want := range documentedCodes {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			classes := map[string]providers.Class{createPath: want.create, findPath: want.read, statusPath: want.status}
			for _, status := range []int{200, 201, 400, 401, 402, 403, 404, 409, 422, 429, 500, 502, 503} {
				for _, body := range errorBodies(code) {
					for path, class := range classes {
						s := newScript(t, map[string]reply{path: {status: status, body: body}})
						err := ask[path](t, s.provider(t))
						if status >= 500 {
							class = ambiguous // it may fail after it has bought, whatever it says
						}
						if _, known := documentedCodes[code]; status == 429 && code == "SOMETHING_NEW" && known {
							class = retryable // "too many", in words that nobody documented
						}
						e := wantError(t, err, class, code)
						if t.Failed() {
							t.Fatalf("%s, HTTP %d, %s", path, status, body)
						}
						creating := path == createPath
						if e.Requote != (creating && code == "WRONG_PRICE" && class == retryable) || e.Exists != (creating && code == "TRANSACTION_DUPLICATE") {
							t.Fatalf("%s, HTTP %d, %s: requote %v, exists %v", path, status, body, e.Requote, e.Exists)
						}
						if e.HTTPStatus != status || strings.Contains(body, "in words") != (e.Message == "in words") {
							t.Fatalf("%s: HTTP %d, message %q", body, e.HTTPStatus, e.Message)
						}
					}
				}
			}
		})
	}
}

func TestErrors_EveryCodeOfTheTableIsTested(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range regexp.MustCompile(`code\w+\s+= "([A-Z_]+)"`).FindAllStringSubmatch(string(source), -1) {
		listed = append(listed, m[1])
	}
	var tested []string
	for code := range documentedCodes {
		if code != "SOMETHING_NEW" {
			tested = append(tested, code)
		}
	}
	slices.Sort(listed)
	slices.Sort(tested)
	if diff := cmp.Diff(tested, listed); diff != "" {
		t.Errorf("codes (-tested +listed):\n%s", diff)
	}
}

func TestPlace_AnswersThatProveNothingAreAmbiguous(t *testing.T) {
	t.Parallel()
	order := `{"orderId":1,"offerId":1001,"status":"COMPLETED","key":"K","isReturnDataForCustomer":true}`
	for name, c := range map[string]struct {
		status     int
		body, code string
	}{
		"page under 200":                  {200, "<html>captcha</html>", "unreadable"},
		"nothing under 200":               {200, "", "unreadable"},
		"null":                            {200, "null", "unreadable"},
		"text":                            {200, `"ok"`, "unreadable"},
		"list":                            {200, "[" + order + "]", "unreadable"},
		"two answers":                     {200, order + order, "unreadable"},
		"no order id":                     {200, `{"offerId":1001,"status":"COMPLETED","key":"K"}`, "unreadable"},
		"order id null":                   {200, `{"orderId":null,"offerId":1001,"status":"COMPLETED"}`, "unreadable"},
		"order id zero":                   {200, `{"orderId":0,"offerId":1001,"status":"COMPLETED"}`, "unreadable"},
		"order id a fraction":             {200, `{"orderId":1.5,"offerId":1001,"status":"COMPLETED"}`, "unreadable"},
		"canceled without order id":       {200, `{"status":"CANCELED","message":"no"}`, "unreadable"},
		"another offer":                   {200, `{"orderId":1,"offerId":1002,"status":"COMPLETED","key":"K"}`, "answer_mismatch"},
		"another offer, failed":           {200, `{"orderId":1,"offerId":1002,"status":"CANCELED"}`, "answer_mismatch"},
		"error without code":              {200, `{"error":{"message":"sorry"}}`, "unreadable"},
		"error without code under 400":    {400, `{"error":"Bad Request","statusCode":400}`, "http_400"},
		"definite no with an order":       {400, `{"error":{"code":"OFFER_NOT_FOUND"},"orderId":5}`, "OFFER_NOT_FOUND"},
		"two codes":                       {400, `{"error":"OFFER_NOT_FOUND","code":"SERVICE_UNAVAILABLE"}`, "OFFER_NOT_FOUND"},
		"the same code twice in one body": {400, `{"error":"OFFER_NOT_FOUND","error":"OFFER_NOT_FOUND"}`, "http_400"},
		"order under 400":                 {400, order, "http_400"},
		"order under 429":                 {429, order, "http_429"},
		"order under 401":                 {401, order, "http_401"},
		"page under 401":                  {401, "<html>log in</html>", "http_401"},
		"nothing under 401":               {401, "", "http_401"},
		"nothing under 403":               {403, "", "http_403"},
		"wrong path":                      {404, `{"statusCode":404,"message":"Cannot POST"}`, "http_404"},
		"lower case":                      {400, `{"error":"offer_not_found"}`, "http_400"},
		"redirect":                        {307, "", "http_307"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, map[string]reply{createPath: {status: c.status, body: c.body}})
			e := wantError(t, ask[createPath](t, s.provider(t)), ambiguous, c.code)
			if e.Requote || e.Exists {
				t.Errorf("requote %v, exists %v", e.Requote, e.Exists)
			}
			if n := len(s.requests()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestErrors_ATokenThatIsRefusedClosesTheLane(t *testing.T) {
	t.Parallel()
	for path, bodies := range map[string][]string{
		createPath: {`{"error":{"code":"INVALID_TOKEN"}}`, `{"statusCode":401,"message":"Unauthorized"}`, `{"statusCode":401,"message":"Unauthorized","error":"Unauthorized"}`},
		findPath:   {`{"error":{"code":"INVALID_TOKEN"}}`, `{"statusCode":401,"message":"Unauthorized"}`, "", "<html>log in</html>"},
		statusPath: {`{"error":{"code":"INVALID_TOKEN"}}`, "", "<html>log in</html>"},
	} {
		for _, body := range bodies {
			s := newScript(t, map[string]reply{path: {status: 401, body: body}})
			wantError(t, ask[path](t, s.provider(t)), blocked, "INVALID_TOKEN")
		}
	}
}

func TestErrors_TooManyIsRetriedWhenTheProviderSays(t *testing.T) {
	t.Parallel()
	for path := range ask {
		s := newScript(t, map[string]reply{path: {status: 429, header: http.Header{"Retry-After": {"3"}}}})
		e := wantError(t, ask[path](t, s.provider(t)), retryable, "http_429")
		if e.RetryAfter != 3*time.Second {
			t.Errorf("%s: retry after %v", path, e.RetryAfter)
		}
	}
}

func TestErrors_ShowNeitherTokenNorAddressNorControlCharacters(t *testing.T) {
	t.Parallel()
	body := `{"error":{"code":"INVALID_REQUEST_BODY","message":"token ` + token + ` at https://partner.example/?t=1\u001b[31m\r\nforged line"}}`
	for path := range ask {
		s := newScript(t, map[string]reply{path: {status: 400, body: body}})
		err := ask[path](t, s.provider(t))
		for _, forbidden := range []string{token, "https://", "\x1b", "\n", s.URL} {
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, forbidden) {
				t.Errorf("%s: the error shows %q: %s", path, forbidden, text)
			}
		}
		if message := providers.AsError(err).Message; !strings.Contains(message, "forged line") {
			t.Errorf("message %q lost what the provider said", message)
		}
	}
}
