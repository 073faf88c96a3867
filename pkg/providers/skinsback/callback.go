package skinsback

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
)

// Errors of [VerifyCallback].
var (
	// ErrCallbackType: the content type is neither a form nor JSON.
	ErrCallbackType = errors.New("skinsback: the callback is neither a form nor JSON")
	// ErrCallbackBody: the body cannot be read, or could be read in two ways.
	ErrCallbackBody = errors.New("skinsback: the callback cannot be read")
	// ErrCallbackSignature: the body does not bear our secret's signature.
	ErrCallbackSignature = errors.New("skinsback: the callback is not signed with our secret")
)

// Callback is what a webhook claims. It is a hint: its sums in all currencies
// are not covered by the signature, it may be late, and it may be a repeat.
type Callback Deposit

// Latest is the latest thing that the callback tells of as done: it was not sent
// before. When it was sent it does not say: date is that of the deposit, and all
// its callbacks bear it. Zero where it tells no time.
func (c Callback) Latest() time.Time {
	latest := c.Date.Time
	for _, t := range []time.Time{c.OfferDate.Time, c.SkinsSendDate.Time} {
		if t.After(latest) {
			latest = t
		}
	}
	return latest
}

// VerifyCallback reads a webhook and checks its signature over the literal
// values received. It refuses whatever two readers could read differently: a
// key given twice, and a value with a semicolon, behind which another field
// could hide, since the signed text does not escape. The caller limits the body.
func VerifyCallback(body []byte, contentType string, key secret.String) (Callback, error) {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return Callback{}, ErrCallbackType
	}
	switch media {
	case "application/x-www-form-urlencoded":
		if body, err = formObject(body); err != nil {
			return Callback{}, err
		}
	case "application/json":
	default:
		return Callback{}, ErrCallbackType
	}
	r := &providerhttp.Response{Body: body}
	var fields map[string]json.RawMessage
	if failure := providerhttp.DecodeJSON("skinsback.callback", r, &fields); failure != nil {
		return Callback{}, unreadableCallback(failure.Message)
	}
	params, err := signedParams(fields)
	if err != nil {
		return Callback{}, err
	}
	if !Verify(params, params[fieldSign], key) {
		return Callback{}, ErrCallbackSignature
	}
	var c Callback
	if failure := providerhttp.DecodeJSON("skinsback.callback", r, &c); failure != nil {
		return Callback{}, unreadableCallback(failure.Message)
	}
	if c.Status == "" || c.OrderID == "" || !c.TransactionID.Valid() {
		return Callback{}, unreadableCallback("it does not say which deposit it is about")
	}
	return c, nil
}

func unreadableCallback(why string) error { return fmt.Errorf("%w: %s", ErrCallbackBody, why) }

// callbackKey is the form of a field's name: nothing in it can be taken for the
// colon and the semicolon of the signed text.
var callbackKey = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)

// signedParams returns the texts that the signature covers, and sign itself.
func signedParams(fields map[string]json.RawMessage) (map[string]string, error) {
	params := make(map[string]string, len(fields))
	for name, raw := range fields {
		if !callbackKey.MatchString(name) {
			return nil, unreadableCallback("a field has no proper name")
		}
		value, signed := literal(raw)
		if !signed {
			continue
		}
		if strings.Contains(value, ";") {
			return nil, unreadableCallback("a value holds a semicolon")
		}
		params[name] = value
	}
	return params, nil
}

// literal returns a value as PHP puts it into the signed text: a string as it
// is, a number as it was written, true as 1, false and null as nothing. Arrays
// and objects are not signed.
func literal(raw json.RawMessage) (text string, signed bool) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0, raw[0] == '{', raw[0] == '[':
		return "", false
	case raw[0] == '"':
		err := json.Unmarshal(raw, &text)
		return text, err == nil
	}
	switch text = string(raw); text {
	case "true":
		return "1", true
	case "false", "null":
		return "", true
	default:
		return text, true
	}
}

// formObject rewrites a form as the JSON object that PHP would make of it:
// a[b]=c is an object within. Deeper ones keep their name only; we need none.
func formObject(body []byte) ([]byte, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, unreadableCallback("the form is broken")
	}
	scalars, objects := map[string]string{}, map[string]map[string]string{}
	for name, given := range values {
		if len(given) != 1 {
			return nil, unreadableCallback("a field is given twice")
		}
		base, inner, nested := strings.Cut(name, "[")
		if !nested {
			scalars[name] = given[0]
			continue
		}
		if objects[base] == nil {
			objects[base] = map[string]string{}
		}
		inner, closed := strings.CutSuffix(inner, "]")
		if !closed {
			return nil, unreadableCallback("a field has no proper name")
		}
		if !strings.ContainsAny(inner, "[]") {
			objects[base][inner] = given[0]
		}
	}
	all := make(map[string]any, len(scalars)+len(objects))
	for name, object := range objects {
		all[name] = object
	}
	for name, value := range scalars {
		if all[name] != nil {
			return nil, unreadableCallback("a field is given twice")
		}
		all[name] = value
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(all); err != nil {
		return nil, unreadableCallback("the form is not text")
	}
	return out.Bytes(), nil
}
