package messages

import (
	"encoding/json"
	"time"
)

// EvidenceHTTP is the key of an event's evidence under which the records of
// requests to the provider stand, oldest first.
const EvidenceHTTP = "http"

// What a recorded request was for.
const (
	PurposeCreate = "create" // it may have bought
	PurposeRead   = "read"   // it cannot have bought
)

// HTTPRecord is what the ledger keeps of one request to a provider: enough to
// hold against the provider's own log, and nothing that must not be told. Only
// fields whose names the adapter declares fit to be shown have their values;
// goods codes, credentials and addresses to pay at are never among them.
type HTTPRecord struct {
	Op      string `json:"op"`      // the adapter's name for the endpoint
	Purpose string `json:"purpose"` // PurposeCreate or PurposeRead
	Attempt int    `json:"attempt"` // the order's attempt that it was made in
	Method  string `json:"method"`  // of HTTP
	Path    string `json:"path"`    // without host and query

	SentAt     *time.Time `json:"sent_at"`     // nil: not one byte left
	AnsweredAt *time.Time `json:"answered_at"` // nil: no whole answer came
	Status     *int       `json:"status"`      // of HTTP
	Error      *string    `json:"error"`       // of the transport, in words of our own

	Request HTTPBody  `json:"request"`
	Answer  *HTTPBody `json:"answer"` // nil: none came, or not to its end
}

// HTTPBody is one body of a record.
type HTTPBody struct {
	Bytes int `json:"bytes"` // of the whole body
	// SHA256 of the whole body, in hex. It is nil for a sealed order's answer
	// with something masked in it: a short code could be guessed by its sum.
	SHA256      *string `json:"sha256"`
	ContentType string  `json:"content_type"`
	Text        string  `json:"text"` // with every value masked that is not declared fit to be shown
	Cut         bool    `json:"cut"`  // the text is not all of the body
}

// HTTPRecords reads the records that an event carries; nil where there are
// none, or none that can be read.
func HTTPRecords(e *Event) []HTTPRecord {
	if e == nil || e.Evidence[EvidenceHTTP] == nil {
		return nil
	}
	if known, ok := e.Evidence[EvidenceHTTP].([]HTTPRecord); ok {
		return append([]HTTPRecord(nil), known...)
	}
	var list []HTTPRecord
	text, err := json.Marshal(e.Evidence[EvidenceHTTP])
	if err != nil || json.Unmarshal(text, &list) != nil {
		return nil
	}
	return list
}
