package providertest

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"sync"
	"time"
)

// Phase is how far a request has come inside a fake provider.
type Phase string

// The phases of a request.
const (
	// Received: the whole request has arrived.
	Received Phase = "received"
	// Committed: the fake executed it: money moved, or a record was made.
	Committed Phase = "committed"
	// Answered: an answer, genuine or spoilt by a fault, was written. A request
	// that a fault leaves without any answer has no such entry.
	Answered Phase = "answered"
)

// Entry is one line of a fake provider's books.
type Entry struct {
	Time  time.Time `json:"time"`
	Phase Phase     `json:"phase"`
	// Request numbers the requests of one fake from 1, in order of arrival.
	Request int64 `json:"request"`
	// Op is the endpoint, in the words of the fake.
	Op string `json:"op"`
	// Body is the digest of the body that arrived, with Received.
	Body string `json:"body,omitempty"`
	// OrderKey tells whose purchase it is by a side channel that the adapter
	// does not choose, such as the account or the e-mail address: a lost or
	// changed reference must not hide a second purchase.
	OrderKey string `json:"order_key,omitempty"`
	// Reference is the key that the client gave, where the provider takes one.
	Reference string `json:"reference,omitempty"`
	Amount    string `json:"amount,omitempty"`
	Currency  string `json:"currency,omitempty"`
	ID        string `json:"id,omitempty"` // the provider's number of the purchase
	Fault     string `json:"fault,omitempty"`
	Status    int    `json:"status,omitempty"` // of HTTP, with Answered
}

// Book is the append-only ledger of a fake provider: the truth that a checker
// compares our events with. It is safe for concurrent use.
type Book struct {
	mu      sync.Mutex
	entries []Entry
	tee     *json.Encoder
	changed chan struct{} // closed and replaced at every entry
}

// NewBook returns an empty book. If w is not nil, every entry is also written
// to it as a line of JSON when it is made, so that it outlives the process.
func NewBook(w io.Writer) *Book {
	b := &Book{changed: make(chan struct{})}
	if w != nil {
		b.tee = json.NewEncoder(w)
	}
	return b
}

// Append adds an entry, with the present time if it has none.
func (b *Book) Append(e Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Time.IsZero() {
		e.Time = time.Now().UTC()
	}
	b.entries = append(b.entries, e)
	if b.tee != nil {
		_ = b.tee.Encode(e) // a full disk must not change how the fake behaves
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

// Entries returns a copy of all entries, oldest first.
func (b *Book) Entries() []Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.entries)
}

// Select returns the entries of one phase and, unless op is empty, one
// endpoint.
func (b *Book) Select(phase Phase, op string) []Entry {
	return slices.DeleteFunc(b.Entries(), func(e Entry) bool {
		return e.Phase != phase || op != "" && e.Op != op
	})
}

// Purchases returns everything that was executed.
func (b *Book) Purchases() []Entry { return b.Select(Committed, "") }

// Wait waits until an entry matches and returns it, or the error of ctx. It
// is how a test waits for a moment inside the provider without sleeping.
func (b *Book) Wait(ctx context.Context, match func(Entry) bool) (Entry, error) {
	for from := 0; ; {
		b.mu.Lock()
		fresh, changed := slices.Clone(b.entries[from:]), b.changed
		b.mu.Unlock()
		if i := slices.IndexFunc(fresh, match); i >= 0 {
			return fresh[i], nil
		}
		from += len(fresh)
		select {
		case <-changed:
		case <-ctx.Done():
			return Entry{}, ctx.Err()
		}
	}
}

// DumpJSON writes all entries as lines of JSON.
func (b *Book) DumpJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	for _, e := range b.Entries() {
		if err := enc.Encode(e); err != nil {
			return err
		}
	}
	return nil
}
