package exchanger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/providers"
)

// call is one request to a method.
type call struct {
	method  string
	purpose purpose
	form    url.Values
}

// op names the call in errors, in the words of our own service.
func (k call) op() string { return "exchanger." + k.method }

// envelope is what every answer is wrapped in.
type envelope struct {
	Error       json.RawMessage `json:"error"`
	ErrorText   Text            `json:"error_text"`
	ErrorFields json.RawMessage `json:"error_fields"`
	Data        json.RawMessage `json:"data"`
}

// errEmpty: the answer agrees and says nothing.
var errEmpty = errors.New("the answer is empty")

// ask sends a call and returns the data of an answer that agreed. What changes
// something and buys nothing goes the way of reading requests: it needs no
// intent, and without a way to send it twice net/http sends it once.
func (c *Client) ask(ctx context.Context, k call) (json.RawMessage, error) {
	send := c.http.Read
	if k.purpose == creating || k.purpose == paying {
		send = c.http.Create
	}
	r, err := send(ctx, c.request(k))
	if err != nil {
		return nil, err
	}
	data, failure := c.open(k, r)
	if failure != nil {
		return nil, failure // never a typed nil in an error
	}
	return data, nil
}

// open reads the envelope of an answer that arrived. The server says 200
// whatever happened, so any other status is somebody else's.
func (c *Client) open(k call, r *providerhttp.Response) (json.RawMessage, *providers.Error) {
	if r.Status < 200 || r.Status > 299 {
		return nil, providerhttp.StatusError(k.op(), r)
	}
	if failure := c.bare(k, r.Body); failure != nil {
		return nil, failure
	}
	var e envelope
	if err := providerhttp.DecodeJSON(k.op(), r, &e); err != nil {
		return nil, err
	}
	v, ok := readVerdict(e)
	if !ok {
		return nil, unreadable(k.op(), "the answer does not say whether there was an error")
	}
	if v.code != "0" {
		return nil, c.failure(k, v, e)
	}
	return e.Data, nil
}

// nothing reports data that PHP writes for no data at all.
func nothing(data json.RawMessage) bool {
	switch string(bytes.Join(bytes.Fields(data), nil)) {
	case "", "null", `""`, "[]", "{}", "false":
		return true
	}
	return false
}

// one asks for an object. No data is errEmpty.
func one[T any](ctx context.Context, c *Client, k call) (*T, error) {
	data, err := c.ask(ctx, k)
	if err != nil {
		return nil, err
	}
	return object[T](k, data)
}

func object[T any](k call, data json.RawMessage) (*T, error) {
	if nothing(data) {
		e := unreadable(k.op(), "")
		e.Err = errEmpty
		return nil, e
	}
	out := new(T)
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) || json.Unmarshal(data, out) != nil {
		return nil, unreadable(k.op(), "the data of the answer cannot be read")
	}
	return out, nil
}

// list asks for a list; no data is an empty one.
func list[T any](ctx context.Context, c *Client, k call) ([]T, error) {
	data, err := c.ask(ctx, k)
	if err != nil || nothing(data) {
		return nil, err
	}
	var out List[T]
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, unreadable(k.op(), "the list of the answer cannot be read")
	}
	return out, nil
}

// items asks for a list under "items". No data is an empty list, but data
// without "items" is no answer: absence is concluded from these lists.
func items[T any](ctx context.Context, c *Client, k call) ([]T, error) {
	data, err := c.ask(ctx, k)
	if err != nil || nothing(data) {
		return nil, err
	}
	return itemsOf[T](k, data)
}

func itemsOf[T any](k call, data json.RawMessage) ([]T, error) {
	var out struct {
		Items *List[T] `json:"items"`
	}
	if json.Unmarshal(data, &out) != nil || out.Items == nil {
		return nil, unreadable(k.op(), "the list of the answer cannot be read")
	}
	return *out.Items, nil
}

// follow asks cancel_bid or pay_bid. The data is the bid's status.
func (c *Client) follow(ctx context.Context, method, hash string) (Text, error) {
	k := call{method: method, purpose: following, form: form("hash", hash)}
	data, err := c.ask(ctx, k)
	if err != nil {
		return "", err
	}
	return statusOf(k, data)
}

func statusOf(k call, data json.RawMessage) (Text, error) {
	var word string
	var wrapped struct {
		Status Text `json:"status"`
	}
	switch {
	case json.Unmarshal(data, &word) == nil && word != "":
		return Text(word), nil
	case json.Unmarshal(data, &wrapped) == nil && wrapped.Status != "":
		return wrapped.Status, nil
	}
	return "", unreadable(k.op(), "the answer has no status")
}

// doubtful turns an empty answer to a request that may have acted into what
// it is: unreadable, and nothing more.
func doubtful(err error) error {
	if errors.Is(err, errEmpty) {
		e := *providers.AsError(err)
		e.Err, e.Message = nil, errEmpty.Error()
		return &e
	}
	return err
}

// unreadable is the error of an answer without what it must have.
func unreadable(op, why string) *providers.Error {
	return &providers.Error{Op: op, Class: providers.Ambiguous, Code: providers.CodeUnreadable, Message: why}
}

// mismatch is the error of an answer about something we did not ask for.
func mismatch(op, why string) *providers.Error {
	return &providers.Error{Op: op, Class: providers.Ambiguous, Code: codeAnswerMismatch, Message: why}
}

// invalid is the error of a call that no order of ours should lead to. Nothing
// was sent.
func invalid(op, why string) *providers.Error {
	return &providers.Error{Op: op, Class: providers.Invalid, Code: providers.CodeUnprocessable, Message: why}
}

// refused is the error of an order that can never be placed.
func refused(op, code, why string) *providers.Error {
	return &providers.Error{Op: op, Class: providers.Rejected, Code: code, Message: why}
}
