package gamesdroptest

import (
	"net/http"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// Option sets what the document leaves open.
type Option func(*options)

type options struct {
	token          string
	address        string
	now            func() time.Time
	duplicateFirst bool
	burnOnReject   bool
	refundCanceled bool
	pollsPerStep   int
	shape          ErrorShape
	errorStatus    int
	journal        *providertest.Book
	faults         *providertest.Faults
}

func defaults() options {
	return options{
		token: Token, address: "127.0.0.1:0", now: time.Now, duplicateFirst: true, refundCanceled: true,
		pollsPerStep: 1, shape: ShapeNested, errorStatus: http.StatusBadRequest,
		journal: providertest.NewBook(nil), faults: providertest.NewFaults(1),
	}
}

// ErrorShape is one of the shapes in which errors have been seen or guessed.
type ErrorShape int

// The shapes of errors.
const (
	ShapeNested  ErrorShape = iota // {"error":{"code":"…","message":"…"}}
	ShapeWord                      // {"error":"CODE","message":"…"}
	ShapeCode                      // {"code":"CODE","message":"…"}
	ShapeMessage                   // {"statusCode":400,"message":"CODE"}
)

// WithToken sets the token that the shop expects.
func WithToken(token string) Option { return func(o *options) { o.token = token } }

// WithAddress sets the address to listen on; default is a free port of 127.0.0.1.
func WithAddress(address string) Option { return func(o *options) { o.address = address } }

// WithClock sets the clock of the books.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithPriceCheckedFirst makes the shop look at price and balance before it
// looks whether the transactionId was used.
func WithPriceCheckedFirst() Option { return func(o *options) { o.duplicateFirst = false } }

// WithBurntReferences makes a refused attempt use up its transactionId.
func WithBurntReferences() Option { return func(o *options) { o.burnOnReject = true } }

// WithCanceledKept makes the shop keep the money of canceled orders.
func WithCanceledKept() Option { return func(o *options) { o.refundCanceled = false } }

// WithPollsPerStep makes an order move on only at every nth request for its status.
func WithPollsPerStep(n int) Option { return func(o *options) { o.pollsPerStep = max(1, n) } }

// WithErrors sets the shape and the HTTP status of all errors but that of a
// wrong token, which is always 401.
func WithErrors(shape ErrorShape, status int) Option {
	return func(o *options) { o.shape, o.errorStatus = shape, status }
}

// WithBook sets the journal, for one that is written to a file as it grows.
func WithBook(b *providertest.Book) Option { return func(o *options) { o.journal = b } }

// WithFaults sets the script of misbehaviour.
func WithFaults(f *providertest.Faults) Option { return func(o *options) { o.faults = f } }
