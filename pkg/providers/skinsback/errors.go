package skinsback

import (
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/providers"
)

// ErrNotFound is inside the error of [Client.OrderStatus] when the provider
// says that it has no such deposit. The error is Ambiguous: one such answer
// does not prove that a request under way will not still make it.
var ErrNotFound = errors.New("the deposit is not known")

const (
	codeOrderExists = 5  // of create
	codeNotFound    = 4  // of orderstatus
	codeTooMany     = -7 // of every method
	tooManyWait     = time.Minute
	lastRefusal     = 15

	// codeAnswerMismatch is ours: the answer speaks of something we did not ask for.
	codeAnswerMismatch = "answer_mismatch"
)

// meaning is what the document says of a code.
type meaning struct {
	name  string // error_message
	class providers.Class
}

// standard holds the codes of every method. None of these requests was executed.
var standard = map[int]meaning{
	-1:          {"please_use_post_method", providers.Blocked},
	-2:          {"invalid_shopid", providers.Blocked},
	-3:          {"invalid_signature", providers.Blocked},
	-4:          {"shop_not_active", providers.Blocked},
	-5:          {"invalid_method", providers.Blocked},
	codeTooMany: {"request_limit_reached", providers.Retryable},
	-8:          {"invalid_ip_address", providers.Blocked},
	-9:          {"under_maintenance", providers.Retryable},
	-10:         {"invalid_client_secret", providers.Blocked},
}

// ofCreate holds the codes of create. Each but 5 is a definite no; so are the
// gaps up to 15, see judge.
var ofCreate = map[int]meaning{
	1:               {"invalid_order_id", providers.Rejected},
	2:               {"invalid_steam_id", providers.Rejected},
	codeOrderExists: {"order_id_already_exists", providers.Ambiguous},
	7:               {"invalid_max_value", providers.Rejected},
	8:               {"invalid_currency", providers.Rejected},
	9:               {"invalid_result_url", providers.Rejected},
	10:              {"invalid_success_url", providers.Rejected},
	11:              {"invalid_fail_url", providers.Rejected},
	12:              {"invalid_custom_currency", providers.Rejected},
	13:              {"invalid_custom_currency_rate", providers.Rejected},
	14:              {"invalid_custom_multiplier", providers.Rejected},
	15:              {"invalid_game", providers.Rejected},
}

// ofStatus holds the codes of orderstatus. None is Rejected: no answer to a
// question proves that a deposit was refused.
var ofStatus = map[int]meaning{
	1:            {"order_id_or_transaction_id_missing", providers.Ambiguous},
	2:            {"invalid_order_id", providers.Ambiguous},
	3:            {"invalid_transaction_id", providers.Ambiguous},
	codeNotFound: {"transaction_not_found", providers.Ambiguous},
}

// purpose says what a request is for, since a code means different things to
// different requests.
type purpose uint8

const (
	creating purpose = iota
	asking
)

func (p purpose) codes() map[int]meaning {
	if p == creating {
		return ofCreate
	}
	return ofStatus
}

// verdict is what an error of the provider comes to.
type verdict struct {
	class            providers.Class
	exists, notFound bool
}

// judge reads a documented error. A text that the document gives to another
// code contradicts the code, and then nothing is definite.
func judge(p purpose, code int, message string) verdict {
	said := meaning{class: providers.Ambiguous}
	own := p.codes()
	switch m, known := own[code]; {
	case known:
		said = m
	case code < 0:
		said = standard[code] // the zero class of an unknown code is Ambiguous
	case p == creating && code > 0 && code <= lastRefusal:
		said.class = providers.Rejected
	}
	exists := p == creating && (code == codeOrderExists || message == own[codeOrderExists].name)
	if exists || contradicted(p, code, said.class, message) {
		return verdict{class: providers.Ambiguous, exists: exists}
	}
	return verdict{class: said.class, notFound: p == asking && code == codeNotFound}
}

// contradicted reports whether a text belongs to another code, and that to another
// class. What refuses a create either way refuses it, whatever it means; to a
// question each code has a meaning of its own.
func contradicted(p purpose, code int, class providers.Class, message string) bool {
	for _, table := range []map[int]meaning{p.codes(), standard} {
		for other, m := range table {
			if m.name != "" && m.name == message && other != code && (m.class != class || p == asking) {
				return true
			}
		}
	}
	return false
}

// envelope is what every answer has in common.
type envelope struct {
	Status        Text `json:"status"`
	ErrorCode     Code `json:"error_code"`
	ErrorMessage  Text `json:"error_message"`
	URL           Text `json:"url"`
	TransactionID ID   `json:"transaction_id"`
}

const statusError Text = "error"

// read decodes an answer. Status is overloaded: only "error" is a failure of
// the request, "fail" is a deposit that failed.
func (c *Client) read(op string, p purpose, r *providerhttp.Response, into any) error {
	if r.Status < 200 || r.Status >= 500 || r.Status >= 300 && r.Status < 400 {
		return providerhttp.StatusError(op, r)
	}
	var e envelope
	if err := providerhttp.DecodeJSON(op, r, &e); err != nil {
		if r.Status >= 400 {
			return providerhttp.StatusError(op, r)
		}
		return err
	}
	promises := e.URL != "" || e.TransactionID != ""
	switch {
	case e.Status == statusError && e.ErrorCode.Known && !promises:
		return c.failure(op, p, r, e)
	case e.Status == "" && r.Status >= 400 && !promises:
		return providerhttp.StatusError(op, r) // not the provider's words but a proxy's
	case e.Status == statusError, e.ErrorCode.Known && e.ErrorCode.Value != 0, e.Status == "":
		return doubt(op, r, "the answer is neither a success nor an error")
	case r.Status >= 400:
		return doubt(op, r, "the answer is a success and its HTTP status is not")
	}
	if err := providerhttp.DecodeJSON(op, r, into); err != nil {
		return err
	}
	return nil
}

// failure makes the error of an answer that says "error".
func (c *Client) failure(op string, p purpose, r *providerhttp.Response, said envelope) *providers.Error {
	v := judge(p, said.ErrorCode.Value, string(said.ErrorMessage))
	e := &providers.Error{
		Op: op, Class: v.class, Code: strconv.Itoa(said.ErrorCode.Value), Message: c.clean(string(said.ErrorMessage)),
		HTTPStatus: r.Status, Exists: v.exists,
	}
	if v.notFound {
		e.Err = ErrNotFound
	}
	if v.class == providers.Retryable && said.ErrorCode.Value == codeTooMany {
		e.RetryAfter = tooManyWait // the limit is of a minute
	}
	return e
}

// doubt is the error of an answer that can be decoded and not understood.
func doubt(op string, r *providerhttp.Response, why string) *providers.Error {
	e := unreadable(op, why)
	e.HTTPStatus = r.Status
	return e
}

// unreadable is the error of an answer without what it must have.
func unreadable(op, why string) *providers.Error {
	return &providers.Error{Op: op, Class: providers.Ambiguous, Code: providers.CodeUnreadable, Message: why}
}

// mismatch is the error of an answer about something we did not ask for.
func mismatch(op, why string) *providers.Error {
	return &providers.Error{Op: op, Class: providers.Ambiguous, Code: codeAnswerMismatch, Message: why}
}

// invalid is the error of a call that no order of ours should lead to. Nothing
// was sent.
func invalid(op, why string) *providers.Error {
	return &providers.Error{Op: op, Class: providers.Invalid, Code: providers.CodeUnprocessable, Message: why}
}

// address matches a URL within a text.
var address = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://\S*`)

// clean makes a text of the provider fit to travel on: short, and without
// addresses or our secret, should it be echoed.
func (c *Client) clean(text string) string {
	for _, key := range c.secret.Ever() {
		text = strings.ReplaceAll(text, key, "***")
		text = strings.ReplaceAll(text, url.QueryEscape(key), "***")
	}
	return providerhttp.Shorten(address.ReplaceAllString(text, "[address]"))
}
