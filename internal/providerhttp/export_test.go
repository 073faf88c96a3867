package providerhttp

import (
	"context"
	"encoding/json"
	"net"
	"net/http/httptrace"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
)

// RetryAfterAt exposes the reading of Retry-After with a clock of the test's.
func RetryAfterAt(text string, now time.Time) time.Duration { return retryAfter(text, now) }

// Scrub exposes how errors of the network are retold.
func Scrub(err error) error { return scrub(err) }

// Exchange exposes one request's right to write.
type Exchange struct{ x *exchange }

// NewExchange returns a right to write that asks guard.
func NewExchange(ctx context.Context, guard func() error) Exchange {
	return Exchange{&exchange{ctx: ctx, guard: guard}}
}

// Conclude ends the right to write.
func (e Exchange) Conclude() (bool, error) { return e.x.conclude() }

// Attach wraps raw as the dialer does and gives it to the exchange.
func (e Exchange) Attach(raw net.Conn) net.Conn {
	c := &conn{Conn: raw}
	e.x.attach(httptrace.GotConnInfo{Conn: c})
	return c
}

// Unattached wraps raw as the dialer does.
func Unattached(raw net.Conn) net.Conn { return &conn{Conn: raw} }

// Record exposes the making of a record, without a request.
func Record(r Request, answer *Response, sealed bool) messages.HTTPRecord {
	return journal{request: r, method: MethodCreate, sent: time.Now(), over: time.Now(), answer: answer}.record(sealed)
}

// Words exposes what is read of a body, word by word.
func Words(body []byte) func() (json.Token, error) {
	next := tokensOf(body)
	return func() (json.Token, error) {
		word, err := next()
		switch {
		case err != nil:
			return nil, err
		case word.kind == '"':
			return word.text, nil
		case word.kind == '0':
			return json.Number(word.text), nil
		case word.kind == 't', word.kind == 'f':
			return word.text == "true", nil
		case word.kind == 'n':
			return nil, nil
		default:
			return json.Delim(word.kind), nil
		}
	}
}

// What the words of a record are judged and written by.
var (
	IsForm      = isForm
	IsPlainName = isPlainName
	Quoted      = quoted
)
