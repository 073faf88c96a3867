package exchanger

import (
	"time"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// The purposes of requests.
const (
	Creating  = creating
	Paying    = paying
	Reading   = reading
	Checking  = checking
	Following = following
	Purposes  = purposes
)

// Plain is the stripping of markup.
func Plain(text string, limit int) string { return plain(text, limit) }

// EncodeCD is the encoding of the calculator's fields.
func EncodeCD(fields map[string]string) string { return encodeCD(fields) }

// SetClock sets the clock of an adapter.
func (p *Provider) SetClock(now func() time.Time) { p.now = now }

// BareClient reads and cannot send.
func BareClient(login, key string) *Client {
	return &Client{login: secret.New(login), key: secret.New(key)}
}

// Open reads the envelope of an answer.
func (c *Client) Open(method string, p purpose, r *providerhttp.Response) ([]byte, error) {
	data, err := c.open(call{method: method, purpose: p}, r)
	if err != nil {
		return nil, err
	}
	return data, nil
}

// DecodeAll reads data as everything that data can be, and hands what could be
// read to seen.
func DecodeAll(data []byte, seen func(name string, v any)) {
	k := call{method: "fuzz"}
	try(seen, "test", func() (*TestResponse, error) { return object[TestResponse](k, data) })
	try(seen, "currencies", func() (*DirectionCurrencies, error) { return object[DirectionCurrencies](k, data) })
	try(seen, "direction", func() (*Direction, error) { return object[Direction](k, data) })
	try(seen, "calc", func() (*Calc, error) { return object[Calc](k, data) })
	try(seen, "bid", func() (*Bid, error) { return object[Bid](k, data) })
	try(seen, "partner info", func() (*PartnerInfo, error) { return object[PartnerInfo](k, data) })
	try(seen, "payout", func() (*AddPartnerPayoutResponse, error) { return object[AddPartnerPayoutResponse](k, data) })
	try(seen, "exchanges", func() ([]Exchange, error) { return itemsOf[Exchange](k, data) })
	try(seen, "links", func() ([]PartnerLink, error) { return itemsOf[PartnerLink](k, data) })
	try(seen, "partner exchanges", func() ([]PartnerExchange, error) { return itemsOf[PartnerExchange](k, data) })
	try(seen, "payouts", func() ([]PartnerPayout, error) { return itemsOf[PartnerPayout](k, data) })
	try(seen, "status", func() (Text, error) { return statusOf(k, data) })
}

func try[T any](seen func(string, any), name string, read func() (T, error)) {
	if v, err := read(); err == nil {
		seen(name, v)
	}
}

// Judge is Place from the moment when the answer has arrived.
func Judge(o providers.Order, plan providers.Plan, r *providerhttp.Response) (providers.Answer, error) {
	p := &Provider{client: BareClient("", "")}
	k := call{method: "create_bid", purpose: creating}
	data, failure := p.client.open(k, r)
	if failure != nil {
		return providers.Answer{}, failure
	}
	bid, err := object[Bid](k, data)
	if err != nil || !bid.ID.Valid() {
		return providers.Answer{}, unreadable(k.op(), "no bid")
	}
	return p.placed(o, o.Params.(messages.ExchangeParams), plan, bid)
}
