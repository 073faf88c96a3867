package messages

import "time"

// The words of [Problem.Code]. The number of the header
// Nats-Service-Error-Code says the kind, the word says which.
const (
	ProblemBadRequest    = "bad_request"    // 400
	ProblemNotFound      = "not_found"      // 404
	ProblemMoved         = "moved"          // 409: expected_n is not the last
	ProblemHoldDown      = "hold_down"      // 409: not_before has not come
	ProblemWrongState    = "wrong_state"    // 409: there is nothing to decide
	ProblemNoPermit      = "no_permit"      // 429: the rate limit, in time
	ProblemBusy          = "busy"           // 429: too many questions at once
	ProblemProviderError = "provider_error" // 502
	ProblemLaneClosed    = "lane_closed"    // 503
	ProblemUnavailable   = "unavailable"    // 503: ours, ask again
	ProblemInternal      = "internal"       // 500
)

// Headers of answers.
const (
	// HeaderRetryAfter is the number of whole seconds after which to ask again.
	HeaderRetryAfter = "Retry-After"
	// HeaderAskedAt is when the provider was asked for what is answered: an
	// answer may be told more than once for as long as it is good.
	HeaderAskedAt = "Beltline-Asked-At"
	// HeaderShortened names what was left out of all events of a history but the
	// last, because it would be longer than a message may be.
	HeaderShortened = "Beltline-Shortened"
)

// Problem is the body of an error: what Nats-Service-Error and
// Nats-Service-Error-Code say in a line, with all that is known.
type Problem struct {
	Code    string `json:"code" about:"One word for the kind of error."`
	Message string `json:"message" about:"For people."`
	// RetryAfter is how long to wait before asking again.
	RetryAfter string `json:"retry_after,omitempty" about:"How long to wait before asking again, such as 1.5s."`
	// Faults are all that is wrong with a request.
	Faults []Fault `json:"faults,omitempty" about:"All that is wrong with the request, each with its JSON pointer."`
	// N and NotBefore are the order's own, where they are in the way of a decision.
	N         uint64     `json:"n,omitempty" about:"The order's last event, where the decision rests on another."`
	NotBefore *time.Time `json:"not_before,omitempty" about:"From when on the decision may be made."`
	// Class and ProviderCode are those of the provider's error.
	Class        string `json:"class,omitempty" about:"What is known about the provider's error: ambiguous, rejected, retryable, blocked."`
	ProviderCode string `json:"provider_code,omitempty" about:"The provider's own code, or one of ours such as timeout."`
	// Reason and Until are those of a lane that is closed.
	Reason string     `json:"reason,omitempty" about:"Why the lane is closed."`
	Until  *time.Time `json:"until,omitempty" about:"When the lane is tried again; missing where somebody must open it."`
}

// ProblemBody is the body of every answer that is an error.
type ProblemBody struct {
	Error Problem `json:"error"`
}
