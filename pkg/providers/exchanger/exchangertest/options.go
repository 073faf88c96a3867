package exchangertest

import (
	"time"

	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// Login and Key are the credentials of a shop that was given no others.
const (
	Login = "0123456789abcdefghijklmnopqrstuv"
	Key   = "vutsrqponmlkjihgfedcba9876543210"
)

// Option sets what sites differ in.
type Option func(*options)

type options struct {
	login, key  string
	address     string
	now         func() time.Time
	createDelay time.Duration
	listingLag  time.Duration
	clockOffset time.Duration
	stepEvery   time.Duration
	pageLimit   int
	disabled    map[string]bool
	asObjects   bool
	withoutAPI  bool
	journal     *providertest.Book
	faults      *providertest.Faults
}

func defaults() options {
	return options{
		login: Login, key: Key, address: "127.0.0.1:0", now: time.Now, pageLimit: 500, disabled: map[string]bool{},
		journal: providertest.NewBook(nil), faults: providertest.NewFaults(1),
	}
}

// WithCredentials sets the login and the key that the site expects.
func WithCredentials(login, key string) Option {
	return func(o *options) { o.login, o.key = login, key }
}

// WithAddress sets the address to listen on; default is a free port of 127.0.0.1.
func WithAddress(address string) Option { return func(o *options) { o.address = address } }

// WithClock sets the clock of the books.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithCreateDelay makes create_bid answer late, as the script does (2 s and
// more). The bid is there before the answer.
func WithCreateDelay(d time.Duration) Option { return func(o *options) { o.createDelay = d } }

// WithListingLag keeps a new bid out of get_exchanges for a time.
func WithListingLag(d time.Duration) Option { return func(o *options) { o.listingLag = d } }

// WithClockOffset shifts the times that the site tells and compares, as a site
// in another zone does.
func WithClockOffset(d time.Duration) Option { return func(o *options) { o.clockOffset = d } }

// WithStepEvery makes a bid take the next step of its direction's life each
// time d has passed, instead of at each bid_info.
func WithStepEvery(d time.Duration) Option { return func(o *options) { o.stepEvery = d } }

// WithPageLimit lowers the most bids that get_exchanges gives at once.
func WithPageLimit(n int) Option { return func(o *options) { o.pageLimit = n } }

// WithoutMethods takes methods away from the key, such as OpExchanges.
func WithoutMethods(names ...string) Option {
	return func(o *options) {
		for _, name := range names {
			o.disabled[name] = true
		}
	}
}

// WithListsAsObjects writes the fields of a direction as objects with numbers
// for keys, as PHP does for arrays with gaps.
func WithListsAsObjects() Option { return func(o *options) { o.asObjects = true } }

// WithoutAPIIDs makes get_exchanges tell no api_id.
func WithoutAPIIDs() Option { return func(o *options) { o.withoutAPI = true } }

// WithBook sets the journal, for one that is written to a file as it grows.
func WithBook(b *providertest.Book) Option { return func(o *options) { o.journal = b } }

// WithFaults sets the script of misbehaviour.
func WithFaults(f *providertest.Faults) Option { return func(o *options) { o.faults = f } }
