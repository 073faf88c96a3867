// Package logkey holds the keys of structured log lines, so that one fact has
// one name in every program and an operator's search finds all of it. It holds
// nothing else; anybody may import it.
package logkey

// The keys. Values of unbounded or secret content (bodies, goods codes, URLs)
// have no key on purpose.
const (
	Tenant     = "tenant"
	OrderID    = "order_id"
	Provider   = "provider"
	Kind       = "kind"
	Attempt    = "attempt"
	Event      = "event"
	From       = "from"
	To         = "to"
	Class      = "class"
	Code       = "code"
	Seq        = "stream_seq"
	Deliveries = "deliveries"
	Subject    = "subject"
	Stream     = "stream"
	Consumer   = "consumer"
	Instance   = "instance"
	Until      = "until"
	Lane       = "lane"
	Reason     = "reason"
	Faults     = "faults"
	Count      = "count"
	Duration   = "duration_ms"
)
