package exchangertest

import (
	"math/big"
	"slices"
	"strings"

	"github.com/beltline-io/beltline/pkg/money"
)

// Direction is something the site exchanges.
type Direction struct {
	ID                           string
	GiveID, GetID                string // of the currencies
	GiveTitle, GetTitle          string
	GiveCode, GetCode            string
	CourseGive, CourseGet        string // so much given for so much got
	GivePlaces, GetPlaces        int
	GiveFee, GetFee              string // shares: "0.01" is one per cent; "" is none
	PayFee                       string // a share that the payment system takes on top of what is given; "" is none
	MinGive, MaxGive             string // "no" for none
	MinGet, MaxGet               string
	Reserve                      string
	GiveFields, GetFields, Extra []Field
	Life                         []string // the statuses of its bids
	Type, Cancel, Pay            string   // of api_actions
	Address, DestTag             string
	Hidden                       bool // not allowed through the API
}

// Field is a field of a direction.
type Field struct {
	Name, Type, Label string
	Required, CD      bool
	Options           []Choice // of a select
}

// Choice is an option of a select: create_bid and the calculator take the key.
type Choice struct{ Key, Label string }

func (f Field) takes(value string) bool {
	return slices.ContainsFunc(f.Options, func(c Choice) bool { return c.Key == value })
}

// The directions of a new shop. All but the last take RUB (96.1 for 1 USDT,
// 1 % on top of what is given) from 1000 to 500000.
const (
	DirectionCard    = "101" // paid by hand, pay and cancel by API, e-mail needed
	DirectionAddress = "102" // paid to an address with a tag; goes its way to success
	DirectionLink    = "103" // paid behind a link; neither pay nor cancel by API
	DirectionVerify  = "104" // waits for verification, then as DirectionCard
	DirectionError   = "105" // ends in payouterror
	DirectionHidden  = "106" // exists, not through the API
	DirectionCity    = "107" // the calculator wants the field cf10
	DirectionCrypto  = "108" // gives BTC for USDT, 8 and 6 places, no fee, "no" bounds
)

func defaultDirections() []Direction {
	email := Field{Name: "cf6", Type: "text", Label: "<b>E-mail</b>", Required: true}
	base := Direction{
		GiveID: "1", GetID: "2", GiveTitle: "Sberbank RUB", GetTitle: "Tether TRC20 USDT", GiveCode: "RUB", GetCode: "USDT",
		CourseGive: "96.1", CourseGet: "1", GivePlaces: 2, GetPlaces: 6, GiveFee: "0.01", MinGive: "1000", MaxGive: "500000",
		MinGet: "no", MaxGet: "5000", Reserve: "100000",
		GiveFields: []Field{{Name: "account1", Type: "text", Label: "From card"}, {Name: "cfgive8", Type: "text", Label: "Card holder"}},
		GetFields:  []Field{{Name: "account2", Type: "text", Label: "To wallet", Required: true}},
		Extra:      []Field{email, {Name: "cf11", Type: "text", Label: "Telegram"}},
		Life:       []string{"new"}, Type: "mypaid", Cancel: "api", Pay: "api",
	}
	make1 := func(id string, change func(*Direction)) Direction {
		d := base
		d.ID = id
		change(&d)
		return d
	}
	return []Direction{
		make1(DirectionCard, func(*Direction) {}),
		make1(DirectionAddress, func(d *Direction) {
			d.Type, d.Address, d.DestTag, d.Extra = "address", "TQ5NMqJjhpQGK7YJbESKtNCo86PJ89ujio", "81", nil
			d.Life = []string{"new", "techpay", "realpay", "coldsuccess", "success"}
		}),
		make1(DirectionLink, func(d *Direction) {
			d.Type, d.Cancel, d.Pay, d.Extra = "link", "disabled", "https://pay.example/bid?x=1&y=2", nil
		}),
		make1(DirectionVerify, func(d *Direction) { d.Extra, d.Life = nil, []string{"coldnew", "new"} }),
		make1(DirectionError, func(d *Direction) { d.Extra, d.Life = nil, []string{"new", "payed", "payouterror"} }),
		make1(DirectionHidden, func(d *Direction) { d.Hidden = true }),
		make1(DirectionCity, func(d *Direction) {
			d.Extra = []Field{{Name: "cf10", Type: "select", Label: "City", Required: true, CD: true, Options: []Choice{
				{"1", "Moscow"}, {"3", "Kazan"}, {"msk & region", "Moscow & region"},
			}}}
		}),
		make1(DirectionCrypto, func(d *Direction) {
			d.GiveID, d.GiveTitle, d.GiveCode, d.GivePlaces = "3", "Bitcoin BTC", "BTC", 8
			d.CourseGive, d.CourseGet, d.GiveFee, d.GetFee = "1", "68321.5", "", "0.005"
			d.MinGive, d.MaxGive, d.MaxGet = "no", "no", "no"
			d.GiveFields, d.Extra = nil, nil
		}),
	}
}

// sums are the amounts of an exchange.
type sums struct {
	give, get       string
	giveDC          string // with the site's fee, without the payment system's: what a bid tells
	giveCom, getCom string // with all fees
	changed         bool
}

func rat(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic("exchangertest: not a number: " + text)
	}
	return r
}

// share is a factor with a fee taken off or put on.
func share(fee string, sign int64) *big.Rat {
	if fee == "" {
		fee = "0"
	}
	f := rat(fee)
	return f.Add(big.NewRat(1, 1), f.Mul(f, big.NewRat(sign, 1)))
}

// calc computes all sums from the one that an action names. What lies outside
// of the bounds is moved to them.
func (d *Direction) calc(amount string, action int) sums {
	a, site, off := rat(amount), share(d.GiveFee, 1), share(d.GetFee, -1)
	on := new(big.Rat).Mul(site, share(d.PayFee, 1))
	give := new(big.Rat)
	switch action {
	case 2:
		give.Quo(give.Mul(a, rat(d.CourseGive)), rat(d.CourseGet))
	case 3:
		give.Quo(a, on)
	case 4:
		give.Quo(give.Mul(give.Quo(a, off), rat(d.CourseGive)), rat(d.CourseGet))
	default: // also for what is no action, as the script does
		give.Set(a)
	}
	asked := new(big.Rat).Set(give)
	d.clamp(give)
	get := new(big.Rat)
	get.Quo(get.Mul(give, rat(d.CourseGet)), rat(d.CourseGive))
	out := sums{
		give: give.FloatString(d.GivePlaces), giveDC: new(big.Rat).Mul(give, site).FloatString(d.GivePlaces),
		giveCom: new(big.Rat).Mul(give, on).FloatString(d.GivePlaces),
		get:     get.FloatString(d.GetPlaces), getCom: new(big.Rat).Mul(get, off).FloatString(d.GetPlaces),
		changed: asked.Cmp(give) != 0,
	}
	return out
}

// clamp moves a sum given into all bounds.
func (d *Direction) clamp(give *big.Rat) {
	inGive := func(get string) string {
		if get == "no" {
			return "no"
		}
		r := rat(get)
		return r.Quo(r.Mul(r, rat(d.CourseGive)), rat(d.CourseGet)).RatString()
	}
	for _, least := range []string{d.MinGive, inGive(d.MinGet)} {
		if least != "no" && give.Cmp(rat(least)) < 0 {
			give.Set(rat(least))
		}
	}
	for _, most := range []string{d.MaxGive, inGive(d.MaxGet), inGive(d.Reserve)} {
		if most != "no" && give.Cmp(rat(most)) > 0 {
			give.Set(rat(most))
		}
	}
}

// fields lists all fields of a direction.
func (d *Direction) fields() []Field {
	return append(append(append([]Field(nil), d.GiveFields...), d.GetFields...), d.Extra...)
}

// positive reports whether a parameter is an amount above zero.
func positive(text string) bool {
	v, err := money.ParseDecimal(strings.TrimSpace(text))
	return err == nil && v.Sign() > 0
}
