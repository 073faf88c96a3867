package balancesteam

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/providers"
)

// The documented texts of errors.
const (
	codeBalanceOver = "balance over"
	codeBadKey      = "apikey not a valid"
)

// codes is the table of the documented errors, in lower case. Any other text
// with error:true is Rejected, with the text as its code.
var codes = map[string]providers.Class{
	codeBalanceOver: providers.Blocked, // our balance, not the order
	codeBadKey:      providers.Blocked, // our key, not the order
}

// verdict is what an answer says, whatever it was an answer to.
type verdict uint8

const (
	unclear verdict = iota // neither a success nor a documented no
	agreed                 // error:false
	refused                // error:true with a text
)

// judge reads error, status and message of an answer. code is the text of a
// refusal.
func judge(a answer) (v verdict, code string) {
	failed, known := flag(a.Error)
	status, message := text(a.Status), text(a.Message)
	if _, isFlag := flag(a.Status); isFlag {
		status = ""
	}
	_, hasID := number(a.ID)
	switch {
	case !known:
		return unclear, ""
	case failed && hasID, !failed && (isCode(status) || isCode(message)):
		return unclear, "" // it says yes and no
	case !failed:
		return agreed, ""
	}
	for _, t := range []string{status, message} {
		if isCode(t) {
			return refused, strings.ToLower(t)
		}
	}
	for _, t := range []string{status, message} {
		if t != "" {
			return refused, t
		}
	}
	return unclear, ""
}

func isCode(text string) bool {
	_, known := codes[strings.ToLower(text)]
	return known
}

// read decodes an answer and returns an error for everything but error:false.
// A 5xx is in doubt even with a body, and so is a redirect; under any other
// status the body decides, if it can be read.
func (c *Client) read(op string, r *providerhttp.Response) (answer, *providers.Error) {
	var a answer
	if r.Status >= 500 || r.Status >= 300 && r.Status < 400 {
		return a, providerhttp.StatusError(op, r)
	}
	unreadable := providerhttp.DecodeJSON(op, r, &a)
	if unreadable != nil {
		return a, statusOr(op, r, unreadable)
	}
	v, code := judge(a)
	said := c.clean(code)
	switch {
	case v == agreed:
		return a, nil
	case v == refused && said != "" && r.Status != http.StatusTooManyRequests:
		class, known := codes[code]
		if !known {
			class = providers.Rejected
		}
		return a, &providers.Error{Op: op, Class: class, Code: said, Message: c.clean(text(a.Message)), HTTPStatus: r.Status}
	default:
		return a, statusOr(op, r, doubt(op, r, "the answer is neither a success nor a refusal"))
	}
}

// statusOr prefers what the HTTP status says, where it says anything.
func statusOr(op string, r *providerhttp.Response, e *providers.Error) *providers.Error {
	if r.Status >= 400 {
		return providerhttp.StatusError(op, r)
	}
	return e
}

// doubt is the error of an answer that can be decoded and not understood.
func doubt(op string, r *providerhttp.Response, why string) *providers.Error {
	return &providers.Error{Op: op, Class: providers.Ambiguous, Code: providers.CodeUnreadable, HTTPStatus: r.Status, Message: why}
}

// invalid is the error of a call that no order of ours should lead to. Nothing
// was sent.
func invalid(op, why string) *providers.Error {
	return &providers.Error{Op: op, Class: providers.Invalid, Code: providers.CodeUnprocessable, Message: why}
}

var address = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://\S*`)

// clean makes a text of the provider fit to travel on: short, and without
// addresses or our key, should it be echoed.
func (c *Client) clean(text string) string {
	for _, key := range c.key.Ever() {
		text = strings.ReplaceAll(text, key, "***")
		text = strings.ReplaceAll(text, url.QueryEscape(key), "***")
	}
	return providerhttp.Shorten(address.ReplaceAllString(text, "[address]"))
}
