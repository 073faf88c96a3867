package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"net/url"
	"slices"
	"strings"

	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
)

// tokenBytes of the HMAC make the token: 32 characters, 160 bits.
const tokenBytes = 20

// shortestKey has 128 bits if its 16 bytes are random.
const shortestKey = 16

// firstSegment begins the path of every callback.
const firstSegment = "hook"

// lowerBase32 needs no escaping in a URL and survives systems that fold case
// in one direction only: the token is written, and accepted, in lower case.
var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// address is what the path of a callback names.
type address struct{ tenant, orderID string }

// key joins the two by what neither can hold.
func (a address) key() string { return a.tenant + "/" + a.orderID }

// token is the capability to call back for one order. The parts cannot hold
// the zero byte between them, so no two addresses share a token.
func token(key secret.String, p messages.Provider, a address) string {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	for i, part := range []string{string(p), a.tenant, a.orderID} {
		if i > 0 {
			_, _ = mac.Write([]byte{0})
		}
		_, _ = mac.Write([]byte(part))
	}
	return lowerBase32.EncodeToString(mac.Sum(nil)[:tokenBytes])
}

// keyring makes tokens with its first key and accepts those of all. It asks for
// the keys each time, because they may have been replaced.
type keyring struct {
	provider messages.Provider
	keys     func() []secret.String
	equal    func(a, b []byte) bool // in a time that does not depend on where they differ
}

func newKeyring(p messages.Provider, keys func() []secret.String) keyring {
	return keyring{provider: p, keys: keys, equal: hmac.Equal}
}

// short reports whether a key could be found by trying.
func (k *keyring) short() bool {
	return slices.ContainsFunc(k.keys(), func(key secret.String) bool { return len(key.Reveal()) < shortestKey })
}

func (k *keyring) make(a address) string { return token(k.keys()[0], k.provider, a) }

// accepts compares with the tokens of all keys, also after one has matched:
// the time it takes must not tell which of the keys is meant.
func (k *keyring) accepts(a address, got string) bool {
	found := false
	for _, key := range k.keys() {
		if k.equal([]byte(token(key, k.provider, a)), []byte(got)) {
			found = true
		}
	}
	return found
}

// CallbackURL is where the provider may report on the order. It holds the
// order's token: give it to the provider and to nobody else, and never log it.
// It is empty for a tenant or an order id that breaks the contract, because
// nothing from outside gets into a URL before it has matched.
func (d *Door) CallbackURL(tenant, orderID string) string {
	a := address{tenant, orderID}
	if !messages.ValidTenant(tenant) || !messages.ValidToken(orderID) {
		return ""
	}
	return strings.Join([]string{d.public, firstSegment, string(d.o.Provider), tenant, orderID, d.keys.make(a)}, "/")
}

// recognise returns the order that the URL names, if its token is right. The
// proxy in front may hand on the path of the public URL or cut it off.
func (d *Door) recognise(u *url.URL) (address, bool) {
	if u.RawPath != "" { // escapes: no address of ours has any
		return address{}, false
	}
	a, got, ok := d.parse(u.Path)
	if inner, cut := strings.CutPrefix(u.Path, d.prefix); !ok && cut && d.prefix != "" {
		a, got, ok = d.parse(inner)
	}
	if !ok || !d.keys.accepts(a, got) {
		return address{}, false
	}
	return a, true
}

// parse takes apart /hook/<provider>/<tenant>/<order_id>/<token>. Its parts
// must be those of the contract, so dots and empty segments match nothing.
func (d *Door) parse(path string) (a address, token string, ok bool) {
	parts := strings.Split(path, "/")
	if len(parts) != 6 || parts[0] != "" || parts[1] != firstSegment || parts[2] != string(d.o.Provider) {
		return address{}, "", false
	}
	a = address{parts[3], parts[4]}
	return a, parts[5], messages.ValidTenant(a.tenant) && messages.ValidToken(a.orderID)
}
