package providerhttp

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/beltline-io/beltline/internal/secret"
)

// Disclosure says what of the bodies of a request and its answer may be
// recorded. It names what may be shown, and everything else is masked: a field
// that a provider adds tomorrow may hold a goods code. A request without a
// Disclosure leaves the length and the sum of its bodies and nothing of what is
// in them; that is right for lists, which tell of other customers.
type Disclosure struct {
	shown   map[string]bool // also where the order is sealed
	goods   map[string]bool // not where it is
	secrets []secret.String
}

// Disclose declares names of fields. Shown are those that may always be
// recorded, goods those that tell what was delivered: they are masked where the
// order is sealed. The secrets are ours, and are masked even within a value that
// is shown. The case of a name does not matter.
func Disclose(shown, goods []string, secrets ...secret.String) *Disclosure {
	return &Disclosure{shown: names(shown), goods: names(goods), secrets: secrets}
}

// ours are our secrets in all the forms that they may be quoted in, also those
// that were replaced while the request was on its way.
func (d *Disclosure) ours() (forms []string) {
	for _, s := range d.secrets {
		for _, text := range s.Ever() {
			forms = append(forms, text, url.QueryEscape(text), url.PathEscape(text),
				base64.StdEncoding.EncodeToString([]byte(text)), hex.EncodeToString([]byte(text)))
		}
	}
	return forms
}

func names(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, name := range list {
		set[strings.ToLower(name)] = true
	}
	return set
}

// shows reports whether the value of a field may stand in a record.
func (d *Disclosure) shows(name string, sealed bool) bool {
	name = strings.ToLower(name)
	return d.shown[name] || !sealed && d.goods[name]
}
