package client

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Errors that a program branches on, with errors.Is.
var (
	// ErrNotStored is returned where a request certainly was not stored. The
	// text says why.
	ErrNotStored = errors.New("not stored")
	// ErrFateUnknown is returned where a request may have been stored or not. It
	// is never taken for a failure: submit the same order again, or look at what
	// has become of it.
	ErrFateUnknown = errors.New("it is not known whether it was stored")
	// ErrDenied is returned where the account may not do that.
	ErrDenied = errors.New("the account has no permission")
	// ErrUnanswered is returned where nobody answered a question.
	ErrUnanswered = errors.New("nobody answered")
	// ErrRewound is returned where EVENTS ends before the place that a watch
	// was to go on from: the stream is another one, or an older copy of it.
	ErrRewound = errors.New("the stream ends before the place to go on from")
)

// setUp is what to do where nothing of Beltline's is found.
const setUp = "run `beltline setup`, or start the dispatcher, on this server, for this account"

// ConflictError is returned where the id was used before, for an order with
// other content. What was submitted now has no effect.
type ConflictError struct {
	// Event is the last one that is known of the older order.
	Event Event
}

// Error says which order it is.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("the id %s is taken by an order with other content, accepted at %s", e.Event.OrderID, e.Event.Time.Format(time.RFC3339))
}

// ServiceError is a question that was answered by an error.
type ServiceError struct {
	// Status is the number: 400 bad request, 404 not found, 409 wrong state, 429
	// no permit in time, 502 the provider's error, 503 the provider's lane is
	// closed or Beltline is not ready, 500 a fault of Beltline's.
	Status int
	// RetryAfter is how long to wait before asking again; 0 where nothing is said.
	RetryAfter time.Duration
	// Problem is all that was said.
	Problem messages.Problem
}

// Error is a line for people.
func (e *ServiceError) Error() string {
	return fmt.Sprintf("%d %s: %s", e.Status, e.Problem.Code, e.Problem.Message)
}

// Unwrap gives the faults of a request that Beltline could not read, as a
// [*messages.InvalidError].
func (e *ServiceError) Unwrap() error {
	if len(e.Problem.Faults) == 0 {
		return nil
	}
	return &messages.InvalidError{Faults: e.Problem.Faults}
}

// NotFound reports whether err says that there is no such order, or no such
// thing at the provider.
func NotFound(err error) bool {
	var e *ServiceError
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// serviceError reads the error out of an answer; nil where it is none.
func serviceError(m *nats.Msg) *ServiceError {
	code := m.Header.Get(micro.ErrorCodeHeader)
	if code == "" {
		return nil
	}
	e := &ServiceError{}
	var err error
	if e.Status, err = strconv.Atoi(code); err != nil {
		e.Status = http.StatusInternalServerError
	}
	e.Problem = readProblem(m.Data)
	if e.Problem.Message == "" {
		e.Problem.Message = m.Header.Get(micro.ErrorHeader)
	}
	if e.RetryAfter, err = time.ParseDuration(e.Problem.RetryAfter); err != nil || e.RetryAfter < 0 {
		e.RetryAfter = 0
	}
	if seconds, err := strconv.ParseUint(m.Header.Get(messages.HeaderRetryAfter), 10, 31); err == nil && e.RetryAfter == 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}
