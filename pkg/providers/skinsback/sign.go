package skinsback

import (
	"crypto/hmac"
	"crypto/sha1" // #nosec G505 -- the provider's choice; HMAC-SHA1 is not broken by collisions
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/beltline-io/beltline/internal/secret"
)

// fieldSign is the parameter that holds the signature and is not signed.
const fieldSign = "sign"

// Sign returns the signature of parameters: the lower-case hex of HMAC-SHA1
// over "key:value;" for every parameter but sign, in the order of the keys'
// bytes. The values must be the texts that are sent, to the letter. Arrays and
// objects are not signed; leave them out.
func Sign(params map[string]string, key secret.String) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if name != fieldSign {
			text.WriteString(name + ":" + params[name] + ";")
		}
	}
	mac := hmac.New(sha1.New, []byte(key.Reveal()))
	mac.Write([]byte(text.String()))
	return hex.EncodeToString(mac.Sum(nil))
}

// Verify reports whether sign is the signature of the parameters, in a time
// that does not depend on where it differs. Without a secret nothing is
// verified: everybody can sign with an empty key.
func Verify(params map[string]string, sign string, key secret.String) bool {
	return !key.Empty() && hmac.Equal([]byte(sign), []byte(Sign(params, key)))
}
