package skinsbacktest

import (
	"net/http"
	"time"

	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// The credentials of a new shop.
const (
	ClientID     = "12312312323123"
	ClientSecret = "123123123123213"
)

// Option sets what differs from the document's examples, or what the document
// leaves open.
type Option func(*options)

type options struct {
	id, secret  string
	address     string
	now         func() time.Time
	errorStatus int
	asStrings   bool
	multiplier  money.Decimal
	limit       int
	window      time.Duration
	life        []Step
	hooks       bool
	format      Format
	resultURL   string
	journal     *providertest.Book
	faults      *providertest.Faults
}

func defaults() options {
	return options{
		id: ClientID, secret: ClientSecret, address: "127.0.0.1:0", now: time.Now, errorStatus: http.StatusOK,
		multiplier: money.MustDecimal("1"), format: Form,
		journal: providertest.NewBook(nil), faults: providertest.NewFaults(1),
	}
}

// Step is a moment in the life of every deposit: how long after its making it
// takes a status by itself.
type Step struct {
	After  time.Duration
	Status string
	Amount string // of the sum that the customer gives; 10 where it is empty
	Reason string // of a fail
}

// WithCredentials sets the client id and the secret that the shop expects.
func WithCredentials(id, secret string) Option {
	return func(o *options) { o.id, o.secret = id, secret }
}

// WithAddress sets the address to listen on; default is a free port of 127.0.0.1.
func WithAddress(address string) Option { return func(o *options) { o.address = address } }

// WithClock sets the clock of the books and of the lives.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithErrorStatus sets the HTTP status of documented errors.
func WithErrorStatus(status int) Option { return func(o *options) { o.errorStatus = status } }

// WithStrings makes the shop write all numbers as strings.
func WithStrings() Option { return func(o *options) { o.asStrings = true } }

// WithMultiplier sets the project's multiplier, from amount to user_amount.
func WithMultiplier(m string) Option {
	return func(o *options) { o.multiplier = money.MustDecimal(m) }
}

// WithRateLimit makes the shop answer -7 to every request above n within any
// window, counting arrivals of all methods. The document's is 500 a minute.
func WithRateLimit(n int, window time.Duration) Option {
	return func(o *options) { o.limit, o.window = n, window }
}

// WithLife gives every deposit a life by the clock. Its steps are taken when
// something asks for the deposit, or at [Shop.Advance].
func WithLife(steps ...Step) Option { return func(o *options) { o.life = steps } }

// WithWebhooks makes the shop send a webhook at every change of a status, once,
// to the deposit's result_url or else to the project's.
func WithWebhooks(f Format, projectURL string) Option {
	return func(o *options) { o.hooks, o.format, o.resultURL = true, f, projectURL }
}

// WithBook sets the journal, for one that is written to a file as it grows.
func WithBook(b *providertest.Book) Option { return func(o *options) { o.journal = b } }

// WithFaults sets the script of misbehaviour.
func WithFaults(f *providertest.Faults) Option { return func(o *options) { o.faults = f } }
