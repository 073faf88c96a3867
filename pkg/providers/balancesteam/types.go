package balancesteam

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/beltline-io/beltline/pkg/money"
)

// ServiceSteam is the service_id of a Steam top-up.
const ServiceSteam int64 = 5955

// Balance is the answer to a question for the balance.
type Balance struct{ Balance money.Decimal }

// Check is the answer to a check of a Steam login: whether it can be topped up.
type Check struct{ Status bool }

// Price is the answer to a check of a gift card: what it costs us.
type Price struct{ Price money.Decimal }

// Payment is the answer to a create that was taken.
type Payment struct{ ID string }

// answer is every answer of the provider. Its fields are read one by one: status
// is a bool in one answer and a text in another, and a field that an answer
// does not need must not make it unreadable.
type answer struct {
	Error   json.RawMessage `json:"error"`
	Status  json.RawMessage `json:"status"`
	Message json.RawMessage `json:"message"`
	Balance json.RawMessage `json:"balance"`
	Price   json.RawMessage `json:"price"`
	ID      json.RawMessage `json:"id"`
}

// text returns the text of a JSON string, and "" for anything else.
func text(raw json.RawMessage) string {
	var s string
	if !bytes.HasPrefix(raw, []byte(`"`)) || json.Unmarshal(raw, &s) != nil { // an error is not made for each bool
		return ""
	}
	return strings.TrimSpace(s)
}

// flag reads a bool, or one written as a string. known is false for anything
// else: nothing is guessed.
func flag(raw json.RawMessage) (value, known bool) {
	word := string(bytes.TrimSpace(raw))
	if s := text(raw); s != "" {
		word = strings.ToLower(s)
	}
	return word == "true", word == "true" || word == "false"
}

// amount reads a number, or one written as a string, by its literal.
func amount(raw json.RawMessage) (money.Decimal, bool) {
	var d money.Decimal
	if len(raw) == 0 || d.UnmarshalJSON(raw) != nil {
		return money.Decimal{}, false
	}
	return d, true
}

var positive = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)

// number reads a positive whole number, or one written as a string.
func number(raw json.RawMessage) (string, bool) {
	word := string(bytes.TrimSpace(raw))
	if s := text(raw); s != "" {
		word = s
	}
	return word, positive.MatchString(word)
}
