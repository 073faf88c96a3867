package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// What the options are where they are left out.
const (
	defaultAnswerWithin = 5 * time.Second
	defaultPatience     = time.Minute
	reconnectWait       = 250 * time.Millisecond
)

// Options say where Beltline is, and who speaks. Only Tenant is required.
type Options struct {
	// Tenant is who the client speaks as: it stands in every subject.
	Tenant string
	// URL names the servers, separated by commas ["nats://127.0.0.1:4222"].
	// [New] does not look at it, nor at Credentials, InboxPrefix and NATS.
	URL string
	// Credentials is the path of a .creds file; empty for none.
	Credentials string
	// InboxPrefix is where answers arrive ["_INBOX"]. An account that may
	// subscribe only below a prefix of its own has to name it.
	InboxPrefix string
	// APIPrefix is where the JetStream API is asked ["$JS.API"], for an account
	// that imports it under another name.
	APIPrefix string
	// Domain is the JetStream domain that Beltline's streams are in; empty for
	// the server's own. It is not looked at where there is an APIPrefix.
	Domain string
	// NATS are further options of the connection, such as TLS. They win over
	// those that the client sets itself.
	NATS []nats.Option

	// Traceparent tells the W3C trace that a call belongs to, "" for none; may be
	// nil. It goes with what is submitted, and comes back in [Event].
	Traceparent func(context.Context) string

	// AnswerWithin is how long the client waits for one acknowledgement of the
	// server, and for a stream that is not there [5s].
	AnswerWithin time.Duration
	// Patience is how long a request is tried whose context has no deadline [1m].
	Patience time.Duration
}

// Client speaks to Beltline for one tenant. Its methods may be called from
// several goroutines.
type Client struct {
	nc   *nats.Conn
	js   jetstream.JetStream
	link *link
	own  bool // the connection is closed with the client
	o    Options
}

// Connect opens a connection for the client alone. It fails where no server is
// reached at once, unless Options.NATS has nats.RetryOnFailedConnect; once it
// stands, a connection that is lost is made again for as long as it takes.
func Connect(o Options) (*Client, error) {
	if err := checkURL(o.URL); err != nil {
		return nil, err
	}
	opts := []nats.Option{
		nats.Name("beltline-client"), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait),
		// What cannot be sent now must fail now. Kept back and sent once the
		// connection is there again, it would be stored after its caller was told
		// that it was not.
		nats.ReconnectBufSize(-1),
		// The default handler writes to stderr, which is not ours.
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}
	if o.Credentials != "" {
		opts = append(opts, nats.UserCredentials(o.Credentials))
	}
	if o.InboxPrefix != "" {
		opts = append(opts, nats.CustomInboxPrefix(o.InboxPrefix))
	}
	where := o.URL
	if where == "" {
		where = nats.DefaultURL
	}
	if !messages.ValidTenant(o.Tenant) {
		return nil, tenantFault(o.Tenant)
	}
	nc, err := nats.Connect(where, append(opts, o.NATS...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	c, err := New(nc, o)
	if err != nil {
		nc.Close()
		return nil, err
	}
	c.own = true
	return c, nil
}

// New makes a client on a connection that the program has already, and that
// stays open when the client is closed. Give the connection the option
// nats.ReconnectBufSize(-1): otherwise what the program believes unsent may be
// sent when the connection is there again.
func New(nc *nats.Conn, o Options) (*Client, error) {
	if !messages.ValidTenant(o.Tenant) {
		return nil, tenantFault(o.Tenant)
	}
	if o.AnswerWithin <= 0 {
		o.AnswerWithin = defaultAnswerWithin
	}
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	js, err := openJetStream(nc, o)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return &Client{nc: nc, js: js, link: newLink(nc), o: o}, nil
}

func openJetStream(nc *nats.Conn, o Options) (jetstream.JetStream, error) {
	switch {
	case o.APIPrefix != "":
		return jetstream.NewWithAPIPrefix(nc, o.APIPrefix)
	case o.Domain != "":
		return jetstream.NewWithDomain(nc, o.Domain)
	default:
		return jetstream.New(nc)
	}
}

// Tenant is who the client speaks as.
func (c *Client) Tenant() string { return c.o.Tenant }

// Close ends the client, and the connection if [Connect] made it.
func (c *Client) Close() {
	c.link.close()
	if c.own {
		c.nc.Close()
	}
}

func tenantFault(tenant string) error {
	return fmt.Errorf("%q cannot be a tenant: 1 to 64 letters, digits, - and _, not beginning with _, and not %q", tenant, messages.UnknownTenant)
}

// checkURL finds an address that cannot be read, without showing it: the error
// of the library would, and addresses hold passwords.
func checkURL(servers string) error {
	for one := range strings.SplitSeq(servers, ",") {
		if _, err := url.Parse(strings.TrimSpace(one)); err != nil {
			return errors.New("the URL of a NATS server cannot be read: want nats://host:port")
		}
	}
	return nil
}
