package service

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
)

// The numbers of the header Nats-Service-Error-Code.
const (
	BadRequest  = 400
	NotFound    = 404
	Conflict    = 409
	TooMany     = 429
	Internal    = 500
	BadProvider = 502
	Unavailable = 503
	leastWait   = time.Second
	finest      = time.Millisecond
)

// Failure is an error as it is answered.
type Failure struct {
	Status  int
	Problem messages.Problem
	// After is how long to wait before asking again; 0 for no word on it.
	After time.Duration
}

// Error is the line for people.
func (f *Failure) Error() string { return f.Problem.Message }

// Fail makes a failure.
func Fail(status int, word, format string, args ...any) *Failure {
	return &Failure{Status: status, Problem: messages.Problem{Code: word, Message: fmt.Sprintf(format, args...)}}
}

// Refused makes the failure of a request that cannot be read: all its faults.
func Refused(err error) *Failure {
	f := Fail(BadRequest, messages.ProblemBadRequest, "%s", err)
	var invalid *messages.InvalidError
	if errors.As(err, &invalid) {
		f.Problem.Faults = invalid.Faults
	}
	return f
}

// explained is the problem with how long to wait.
func (f *Failure) explained() messages.Problem {
	p := f.Problem
	if f.After > 0 {
		p.RetryAfter = f.After.Round(finest).String()
	}
	return p
}

// seconds is After in whole seconds, never less than it.
func (f *Failure) seconds() string {
	return strconv.Itoa(int((f.After + leastWait - 1) / leastWait))
}
