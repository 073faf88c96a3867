package gamesdrop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/providers"
)

// The error codes of the document.
const (
	codeInvalidToken         = "INVALID_TOKEN"
	codeOfferNotFound        = "OFFER_NOT_FOUND"
	codeTransactionDuplicate = "TRANSACTION_DUPLICATE"
	codeWrongPrice           = "WRONG_PRICE"
	codeOrderNotFound        = "ORDER_NOT_FOUND"
	codeOrderNotProcessing   = "ORDER_NOT_PROCESSING"
	codeOrderNotCompleted    = "ORDER_NOT_COMPLETED"
	codeOrderAlreadyCanceled = "ORDER_ALREADY_CANCELED"
	codeOrderAlreadyRefunded = "ORDER_ALREADY_REFUNDED"
	codeServiceUnavailable   = "SERVICE_UNAVAILABLE"
	codeInvalidRequestBody   = "INVALID_REQUEST_BODY"
	codeInsufficientBalance  = "INSUFFICIENT_BALANCE"
	codeBalanceUnavailable   = "BALANCE_UNAVAILABLE"

	// codeAnswerMismatch is ours: the answer speaks of something we did not ask for.
	codeAnswerMismatch = "answer_mismatch"
)

// purpose says what a request is for, since a code means different things to
// different requests.
type purpose uint8

const (
	creating purpose = iota // create-order
	reading                 // before the intent: find-one, check-game-data, user-info, balance
	checking                // order-status of an order that we know was taken
)

// codes is the table of the document's errors: vendor code → class for each
// purpose. What is not listed is Ambiguous. In the column of checking nothing
// is Rejected: no answer about an order that was taken proves that it was not.
var codes = map[string][3]providers.Class{
	codeInvalidToken:         {providers.Blocked, providers.Blocked, providers.Blocked},
	codeInsufficientBalance:  {providers.Blocked, providers.Blocked, providers.Ambiguous},
	codeOfferNotFound:        {providers.Rejected, providers.Rejected, providers.Ambiguous},
	codeInvalidRequestBody:   {providers.Rejected, providers.Rejected, providers.Ambiguous},
	codeWrongPrice:           {providers.Retryable, providers.Ambiguous, providers.Ambiguous},
	codeTransactionDuplicate: {providers.Ambiguous, providers.Ambiguous, providers.Ambiguous},
	codeServiceUnavailable:   {providers.Ambiguous, providers.Ambiguous, providers.Ambiguous},
	codeBalanceUnavailable:   {providers.Ambiguous, providers.Ambiguous, providers.Ambiguous},
	codeOrderNotFound:        {providers.Ambiguous, providers.Ambiguous, providers.Ambiguous},
	codeOrderNotProcessing:   {providers.Ambiguous, providers.Ambiguous, providers.Ambiguous},
	codeOrderNotCompleted:    {providers.Ambiguous, providers.Ambiguous, providers.Ambiguous},
	codeOrderAlreadyCanceled: {providers.Ambiguous, providers.Ambiguous, providers.Ambiguous},
	codeOrderAlreadyRefunded: {providers.Ambiguous, providers.Ambiguous, providers.Ambiguous},
}

// fault is what the body of an answer says went wrong.
type fault struct {
	code, message string
	// readable: the answer is JSON that says something went wrong.
	readable bool
	// contradicted: the same body also names an order, or two different codes.
	// Such a no is not definite.
	contradicted bool
}

// vendorCode is the form of the document's codes. Other words ("Bad Request",
// "Unauthorized") are texts of the HTTP status, not codes.
var vendorCode = regexp.MustCompile(`^[A-Z][A-Z0-9_]{2,63}$`)

// readFault finds an error in an answer: {"error":{"code","message"}},
// {"error":"CODE"}, {"code":…} or {"statusCode","message"}. An order with a
// message is none, but it contradicts an HTTP status that says no.
func readFault(op string, r *providerhttp.Response) (fault, bool) {
	var b struct {
		Error      json.RawMessage `json:"error"`
		Code       Text            `json:"code"`
		StatusCode Text            `json:"statusCode"`
		Message    Text            `json:"message"`
		OrderID    ID              `json:"orderId"`
	}
	if providerhttp.DecodeJSON(op, r, &b) != nil {
		return fault{}, false
	}
	var inner struct {
		Code    Text `json:"code"`
		Message Text `json:"message"`
	}
	word, isObject := providerhttp.Scalar(b.Error), false
	switch {
	case strings.HasPrefix(word, "{"):
		isObject = json.Unmarshal(b.Error, &inner) == nil
		word = ""
	case word == "false":
		word = ""
	}
	f := fault{message: firstText(string(inner.Message), string(b.Message), word), contradicted: b.OrderID != ""}
	if !isObject && word == "" && b.Code == "" && b.StatusCode == "" {
		return f, false
	}
	f.readable = true
	f.pick(string(inner.Code), word, string(b.Code), string(b.Message))
	return f, true
}

// firstText returns the first that is a text and not merely a code.
func firstText(texts ...string) string {
	i := slices.IndexFunc(texts, func(t string) bool { return t != "" && !vendorCode.MatchString(t) })
	if i < 0 {
		return ""
	}
	return texts[i]
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// pick takes the first code that the document knows, else the first that looks
// like one. Two known codes that differ contradict each other.
func (f *fault) pick(candidates ...string) {
	known := ""
	for _, c := range candidates {
		if !vendorCode.MatchString(c) {
			continue
		}
		if f.code == "" {
			f.code = c
		}
		if _, ok := codes[c]; !ok {
			continue
		}
		if known != "" && known != c {
			f.contradicted = true
			continue
		}
		known = c
	}
	if known != "" {
		f.code = known
	}
}

// class judges a fault, or an answer without one, by purpose and HTTP status.
func (f fault) class(p purpose, status int) providers.Class {
	row, known := codes[f.code]
	switch {
	case status >= 500, f.contradicted, status >= 300 && status < 400:
		// A server that fails may fail after it has bought, whatever it says.
		return providers.Ambiguous
	case known:
		return row[p]
	case status == http.StatusTooManyRequests: // with whatever word of theirs
		return providers.Retryable
	case f.code != "":
		return providers.Ambiguous
	case status == http.StatusUnauthorized && (f.readable || p != creating):
		// A bare 401 to a create may come from a proxy behind which the order
		// was taken; to a question it costs nothing to believe it.
		return providers.Blocked
	default:
		return providers.Ambiguous
	}
}

// failure makes the error of an answer that is not the one hoped for.
func (c *Client) failure(op string, p purpose, r *providerhttp.Response, f fault) *providers.Error {
	class := f.class(p, r.Status)
	code := f.code
	switch {
	case code != "":
	case class == providers.Blocked: // HTTP 401 without a code
		code = codeInvalidToken
	case r.Status >= 200 && r.Status < 300:
		code = providers.CodeUnreadable
	default:
		code = fmt.Sprintf("http_%d", r.Status)
	}
	bare := providerhttp.StatusError(op, r)
	return &providers.Error{
		Op: op, Class: class, Code: code, Message: firstOf(c.clean(f.message), bare.Message), HTTPStatus: r.Status,
		RetryAfter: bare.RetryAfter,
		Requote:    code == codeWrongPrice && p == creating && class == providers.Retryable,
		Exists:     code == codeTransactionDuplicate && p == creating,
	}
}

// address matches a URL within a text.
var address = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://\S*`)

// clean shortens a text of the provider and takes out what must not travel
// on: addresses, and our token should it be echoed.
func (c *Client) clean(text string) string {
	text = address.ReplaceAllString(text, "[address]")
	for _, token := range c.token.Ever() {
		text = strings.ReplaceAll(text, token, "***")
	}
	return providerhttp.Shorten(text)
}
