package skinsbacktest

import (
	"crypto/hmac"
	"crypto/md5"  //nolint:gosec // a name for a page, nothing secret
	"crypto/sha1" //nolint:gosec // the provider's choice
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beltline-io/beltline/pkg/money"
)

var (
	wholeNumber   = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)
	decimalNumber = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]+)?$`)
	orderID       = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	steamID       = regexp.MustCompile(`^7656119[0-9]{10}$`)
	tradeToken    = regexp.MustCompile(`^[A-Za-z0-9_-]{8}$`)
)

// rates are what one dollar is worth.
var rates = map[string]string{"usd": "1", "eur": "0.9", "rub": "80", "kzt": "480", "uah": "41.5"}

var games = map[string]string{"cs2": "0.5", "dota2": "0.25", "rust": "0.5"} // and the least deal, in usd

// assess checks the fields of a create as the document describes them.
func assess(f form) refusal {
	switch {
	case !orderID.MatchString(f["order_id"]):
		return refusal{1, "invalid_order_id"}
	case !steamID.MatchString(f["steam_id"]):
		return refusal{2, "invalid_steam_id"}
	case !tradeToken.MatchString(f["trade_token"]):
		return refusal{6, "invalid_trade_token"} // a gap in the document's numbers
	case f["currency"] != "" && rates[f["currency"]] == "",
		f["currency"] == "" && (f["min_amount"] != "" || f["max_amount"] != ""):
		return refusal{8, "invalid_currency"}
	case f["game"] != "" && games[f["game"]] == "":
		return refusal{15, "invalid_game"}
	case !limited(f):
		return refusal{7, "invalid_max_value"}
	case !isURL(f["result_url"]):
		return refusal{9, "invalid_result_url"}
	case !isURL(f["success_url"]):
		return refusal{10, "invalid_success_url"}
	case !isURL(f["fail_url"]):
		return refusal{11, "invalid_fail_url"}
	case f["custom_currency_rate"] != "" && f["custom_currency"] == "", len([]rune(f["custom_currency"])) > 4:
		return refusal{12, "invalid_custom_currency"}
	case f["custom_currency"] != "" && !between(f["custom_currency_rate"], "0.1", "1000000000"):
		return refusal{13, "invalid_custom_currency_rate"}
	case f["custom_multiplier"] != "" && !between(f["custom_multiplier"], "0.5", "2"):
		return refusal{14, "invalid_custom_multiplier"}
	}
	return refusal{}
}

// limited reports whether the limits fit: plain decimals, the greatest above
// the least and above the least deal of the game.
func limited(f form) bool {
	low, high := f["min_amount"], f["max_amount"]
	if low != "" && !between(low, "0", "1000000000") || high != "" && !between(high, "0", "1000000000") {
		return false
	}
	if high == "" {
		return true
	}
	deal := convert(firstOf(games[f["game"]], games["cs2"]), "usd", f["currency"])
	most := money.MustDecimal(high)
	return most.Cmp(deal) > 0 && (low == "" || most.Cmp(money.MustDecimal(low)) > 0)
}

func between(text, low, high string) bool {
	if !decimalNumber.MatchString(text) {
		return false
	}
	d, err := money.ParseDecimal(text)
	return err == nil && d.Cmp(money.MustDecimal(low)) >= 0 && d.Cmp(money.MustDecimal(high)) <= 0
}

func isURL(text string) bool {
	u, err := url.Parse(text)
	return text == "" || err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != ""
}

// times multiplies exactly and writes at most eight places.
func times(factors ...string) money.Decimal {
	product := big.NewRat(1, 1)
	for _, f := range factors {
		r, ok := new(big.Rat).SetString(f)
		if !ok {
			panic("skinsbacktest: not a number: " + strconv.Quote(f))
		}
		product.Mul(product, r)
	}
	return money.MustDecimal(product.FloatString(8))
}

func convert(amount, from, to string) money.Decimal {
	rate, ok := new(big.Rat).SetString(rates[from])
	if !ok {
		panic("skinsbacktest: not a currency: " + strconv.Quote(from))
	}
	return times(amount, rate.Inv(rate).RatString(), rates[to])
}

// signature signs as the document's page on signatures says, by code of its own.
func signature(fields map[string]string, secret string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != "sign" {
			_, _ = io.WriteString(mac, name+":"+fields[name]+";")
		}
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// payToken names the page where a deposit is paid.
func (r *record) payToken() string {
	sum := md5.Sum([]byte(r.TransactionID + " " + r.OrderID)) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// field is one field of a deposit: a text, a number, or sums by currency.
type field struct {
	name, value string
	number      bool
	sums        map[string]string
}

// fields are what orderstatus and a webhook tell of a deposit.
func (s *Shop) fields(r *record) []field {
	list := []field{
		{name: "status", value: r.Status}, {name: "transaction_id", value: r.TransactionID}, {name: "order_id", value: r.OrderID},
		{name: "steam_id", value: r.SteamID}, unix("date", r.Created),
	}
	if r.Status == Success || r.Status == InHold || r.Status == HoldApproved {
		user := times(r.Amount.String(), firstOf(r.Fields["custom_multiplier"], s.multiplier.String()))
		list = append(list,
			field{name: "amount", value: r.Amount.String(), number: true}, field{name: "amount_currency", value: r.Currency},
			field{name: "amount_in_currencies", sums: inAll(r.Amount, r.Currency)},
			field{name: "user_amount", value: user.String(), number: true},
			field{name: "user_amount_in_currencies", sums: inAll(user, r.Currency)},
			unix("offer_date", r.Given), unix("skins_send_date", r.Given), field{name: "trade_offer_id", value: "40" + r.TransactionID},
		)
		if rate := r.Fields["custom_currency_rate"]; rate != "" {
			sum := times(convert(user.String(), r.Currency, "usd").String(), rate)
			list = append(list,
				field{name: "custom_currency", value: r.Fields["custom_currency"]},
				field{name: "custom_currency_rate", value: rate, number: true},
				field{name: "custom_currency_sum", value: sum.String(), number: true},
			)
		}
	}
	if !r.HeldUntil.IsZero() && !r.HideHold {
		list = append(list, unix("in_hold_until", r.HeldUntil))
	}
	if r.Status == Failed {
		list = append(list, field{name: "reason", value: r.Reason})
	}
	return list
}

func unix(name string, t time.Time) field {
	return field{name: name, value: strconv.FormatInt(t.Unix(), 10), number: true}
}

func inAll(amount money.Decimal, currency string) map[string]string {
	sums := map[string]string{}
	for code := range rates {
		sums[code] = convert(amount.String(), currency, code).String()
	}
	return sums
}

// object writes a deposit as JSON.
func (s *Shop) object(r *record) string {
	o := &object{}
	for _, f := range s.fields(r) {
		o.field(f, s.asStrings)
	}
	return o.String()
}

// object builds JSON in the order in which it is told.
type object struct{ b strings.Builder }

func (o *object) raw(name, value string) *object {
	if o.b.Len() > 0 {
		o.b.WriteByte(',')
	}
	o.b.WriteString(quote(name) + ":" + value)
	return o
}

func (o *object) text(name, value string) *object { return o.raw(name, quote(value)) }

func (o *object) field(f field, asStrings bool) {
	switch {
	case f.sums != nil:
		inner := &object{}
		for _, code := range slices.Sorted(maps.Keys(f.sums)) {
			inner.field(field{name: code, value: f.sums[code], number: true}, asStrings)
		}
		o.raw(f.name, inner.String())
	case f.number && !asStrings:
		o.raw(f.name, f.value)
	default:
		o.text(f.name, f.value)
	}
}

func (o *object) String() string { return "{" + o.b.String() + "}" }

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always marshals
	}
	return string(b)
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}
