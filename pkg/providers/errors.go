package providers

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Class says what is known about a request that did not succeed. The safe
// class is the zero value: a forgotten mapping can cost time, never a second
// purchase.
type Class uint8

// The classes of provider errors.
const (
	// Ambiguous: the request may have been executed. Time-out or reset after it
	// was sent, 5xx, an unreadable answer, an unknown code.
	Ambiguous Class = iota
	// Rejected: the provider documents the answer as a definite no.
	Rejected
	// Retryable: provably not executed. Never sent, or documented as "too many".
	Retryable
	// Blocked: not executed, and the cause is our account: key, balance, IP
	// address, maintenance. The lane closes for all replicas.
	Blocked
	// Invalid: cannot be decoded or breaks the contract.
	Invalid
)

// String is the name that events and metrics carry.
func (c Class) String() string {
	switch c {
	case Ambiguous:
		return "ambiguous"
	case Rejected:
		return "rejected"
	case Retryable:
		return "retryable"
	case Blocked:
		return "blocked"
	case Invalid:
		return "invalid"
	default:
		return fmt.Sprintf("class(%d)", uint8(c))
	}
}

// Codes of the pipeline's own making; all others are the providers' words.
const (
	CodeNotSent          = "not_sent"
	CodeTimeout          = "timeout"
	CodeConnectionReset  = "connection_reset"
	CodeUnreadable       = "unreadable"
	CodeAccountRefused   = "account_refused"
	CodeMaxCostExceeded  = "max_cost_exceeded"
	CodeCurrencyMismatch = "currency_mismatch"
	CodeMinGetNotMet     = "min_get_not_met"
	CodeInvalidOrder     = "invalid_order"
	CodeUnprocessable    = "command_unprocessable"
	// CodeAnswerMismatch: the answer speaks of something that was not asked for.
	// From a lookup it means that the record under our reference is not the
	// order's, which no further lookup will change.
	CodeAnswerMismatch = "answer_mismatch"
)

// Error is what every method of a [Provider] fails with.
type Error struct {
	Op         string // the method, such as "gamesdrop.create_order"
	Class      Class
	Code       string        // the provider's code as a string, or one of the Code constants
	Message    string        // the provider's text, shortened; never a secret, never a URL
	HTTPStatus int           // 0 where there was no answer
	RetryAfter time.Duration // 0 where the provider gave none
	// Requote: the price we sent is no longer the price; a new quote may be placed.
	Requote bool
	// Exists: the provider says our reference was used already.
	Exists bool
	Err    error // the cause, if any
}

// Error renders operation, class, code and text.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s %s", e.Op, e.Class, e.Code)
	if e.HTTPStatus != 0 {
		fmt.Fprintf(&b, " (HTTP %d)", e.HTTPStatus)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf reads the class of an error. It is the only reader: whatever is not
// a classified *Error is Ambiguous.
func ClassOf(err error) Class { return AsError(err).Class }

// AsError returns the *Error inside err, or wraps err as an Ambiguous one.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Op: "provider", Code: CodeUnreadable, Err: err}
}
