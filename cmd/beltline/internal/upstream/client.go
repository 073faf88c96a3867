package upstream

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/app"
)

const (
	dialWithin = 2 * time.Second
	// askWithin is how long an answer may take. It is longer than a service works
	// on a question, so that its own word on a lack of time arrives.
	askWithin = 10 * time.Second
)

// Errors that callers branch on. A lack of permission is [client.ErrDenied], and
// what a service has refused a [*client.ServiceError].
var (
	// ErrUnreachable is returned when no server was reached.
	ErrUnreachable = errors.New("NATS was not reached")
	// ErrNotFound is returned when the tenant has no such order.
	ErrNotFound = errors.New("no such order")
	// ErrNotAsked is returned when a question certainly reached nobody.
	ErrNotAsked = errors.New("nobody has got the question")
)

// Client is a connection to NATS, and what its account may ask.
type Client struct {
	Conn *nats.Conn
	JS   jetstream.JetStream

	denials *denials
}

// Connect reaches a server at once or fails: a person is waiting. Once it has
// been reached, the connection is kept up for as long as it takes.
func Connect(n app.NATS) (*Client, error) {
	d := newDenials()
	nc, js, err := app.Connect(n, "beltline",
		nats.Timeout(dialWithin), nats.MaxReconnects(-1), nats.ReconnectWait(250*time.Millisecond),
		nats.ErrorHandler(d.heard), // the default one writes to stderr
	)
	if err != nil {
		where := "at " + n.URL.String()
		if n.Context != "" {
			where = "by context " + n.Context
		}
		return nil, fmt.Errorf("%w %s: %s\nStart nats-server (with JetStream) or `beltline up`, or say where it is with --nats-url or NATS_URL",
			ErrUnreachable, where, reason(err))
	}
	return &Client{Conn: nc, JS: js, denials: d}, nil
}

// reason is the innermost text of an error, without what our own layers add.
func reason(err error) string {
	if errors.Is(err, nats.ErrNoServers) {
		return "nothing listens there"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// Close closes the connection, and with it every tenant's client.
func (c *Client) Close() { c.Conn.Close() }
