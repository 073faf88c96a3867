package exchanger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/providers"
)

// Config configures a [Client] and a [Provider].
type Config struct {
	URL      string // as https://host/api/userapi/v1; there is no default: every site is its own provider
	APILogin secret.String
	APIKey   secret.String
	Lang     string // such as en_US; optional. It fixes the language of the texts
	// CallbackURL gives the address that the site is to call when the bid of an
	// order changes; nil or "" for none. It must give the same for the same
	// order, because a repeat has to send the same bytes.
	CallbackURL func(providers.Order) string
	HTTP        *providerhttp.Client
}

var (
	headerValue = regexp.MustCompile(`^[\x21-\x7e]+$`)
	// fieldName is closed: an open one could overwrite api_id or callback_url.
	fieldName = regexp.MustCompile(`^cf(give|get)?[1-9][0-9]{0,2}$`)
	language  = regexp.MustCompile(`^[A-Za-z]{2,3}(_[A-Za-z]{2,4})?$`)
)

// Client speaks the script's protocol and knows nothing of orders of ours: one
// method for each documented one. Its errors are *providers.Error.
type Client struct {
	base       *url.URL
	login, key secret.String
	lang       string
	http       *providerhttp.Client
	shown      *providerhttp.Disclosure
}

// NewClient checks the configuration and reports everything that is wrong
// with it. It opens no connection.
func NewClient(cfg Config) (*Client, error) {
	base, err := providerhttp.ParseBaseURL(cfg.URL)
	if err != nil {
		err = fmt.Errorf("exchanger: URL: %w", err)
	}
	for name, s := range map[string]secret.String{"API login": cfg.APILogin, "API key": cfg.APIKey} {
		if !headerValue.MatchString(s.Reveal()) {
			err = errors.Join(err, errors.New("exchanger: no usable "+name))
		}
	}
	if cfg.Lang != "" && !language.MatchString(cfg.Lang) {
		err = errors.Join(err, errors.New("exchanger: the language must be as en_US"))
	}
	if cfg.HTTP == nil {
		err = errors.Join(err, errors.New("exchanger: no HTTP client"))
	}
	if err != nil {
		return nil, err
	}
	return &Client{base: base, login: cfg.APILogin, key: cfg.APIKey, lang: cfg.Lang, http: cfg.HTTP, shown: disclosure(cfg.APILogin, cfg.APIKey)}, nil
}

// Test asks method test.
func (c *Client) Test(ctx context.Context) (*TestResponse, error) {
	return one[TestResponse](ctx, c, call{method: "test", purpose: reading})
}

// DirectionCurrencies asks method get_direction_currencies.
func (c *Client) DirectionCurrencies(ctx context.Context, in CurrencyFilter) (*DirectionCurrencies, error) {
	out, err := one[DirectionCurrencies](ctx, c, call{method: "get_direction_currencies", purpose: reading, form: in.form()})
	return out, narrow(err)
}

// Directions asks method get_directions.
func (c *Client) Directions(ctx context.Context, in CurrencyFilter) ([]DirectionSummary, error) {
	out, err := list[DirectionSummary](ctx, c, call{method: "get_directions", purpose: reading, form: in.form()})
	return out, narrow(err)
}

// narrow says of a list that is too long to be read how to ask for less. The
// methods with a filter by currency have no limit.
func narrow(err error) error {
	if !errors.Is(err, providerhttp.ErrTooLong) {
		return err
	}
	e := *providers.AsError(err)
	e.Message = "the list is too long: narrow the question by currency_id_give or currency_id_get"
	return &e
}

// Direction asks method get_direction. A direction that there is not answers
// no error and no data; that is [ErrDirectionNotFound].
func (c *Client) Direction(ctx context.Context, id string) (*Direction, error) {
	k := call{method: "get_direction", purpose: reading, form: form("direction_id", id)}
	out, err := one[Direction](ctx, c, k)
	if errors.Is(err, errEmpty) {
		return nil, &providers.Error{
			Op: k.op(), Class: providers.Rejected, Code: codeDirectionNotFound, Message: "the direction was not found", Err: ErrDirectionNotFound,
		}
	}
	return out, err
}

// Calc asks method get_calc.
func (c *Client) Calc(ctx context.Context, in CalcRequest) (*Calc, error) {
	f := form("direction_id", in.DirectionID, "calc_amount", in.Amount.String(), "calc_action", strconv.Itoa(int(in.Action)), "cd", encodeCD(in.CD))
	return one[Calc](ctx, c, call{method: "get_calc", purpose: reading, form: f})
}

// encodeCD writes the fields for the calculator as the vendor's client does:
// each value encoded, then the query, then the whole; the form encodes it once
// more.
func encodeCD(fields map[string]string) string {
	if len(fields) == 0 {
		return ""
	}
	query := url.Values{}
	for name, value := range fields {
		query.Set(name, url.QueryEscape(value))
	}
	return url.QueryEscape(query.Encode())
}

// Exchanges asks method get_exchanges for the bids of this key.
func (c *Client) Exchanges(ctx context.Context, in ExchangesRequest) ([]Exchange, error) {
	f := form("start_time", number(in.StartTime), "end_time", number(in.EndTime), "ip", in.IP, "id", in.ID, "api_id", in.APIID,
		"status_history", bit(in.StatusHistory), "limit", number(int64(in.Limit)), "offset", number(int64(in.Offset)))
	return items[Exchange](ctx, c, call{method: "get_exchanges", purpose: checking, form: f})
}

// CreateBid sends method create_bid, which opens an exchange. It is sent at
// most once, and only under a guard (see [providers.WithSendGuard]).
func (c *Client) CreateBid(ctx context.Context, in CreateBidRequest) (*Bid, error) {
	k := call{method: "create_bid", purpose: creating, form: in.form()}
	for name := range in.Fields {
		if !fieldName.MatchString(name) {
			return nil, invalid(k.op(), "a field has a name that is none of the exchanger's")
		}
	}
	out, err := one[Bid](ctx, c, k)
	switch {
	case err != nil:
		return nil, doubtful(err)
	case !out.ID.Valid():
		return nil, unreadable(k.op(), "the answer has no bid id")
	}
	return out, nil
}

func (in CreateBidRequest) form() url.Values {
	f := url.Values{}
	for name, value := range in.Fields {
		if value != "" {
			f.Set(name, value)
		}
	}
	maps.Copy(f, form("direction_id", in.DirectionID, "partner_id", in.PartnerID, "api_id", in.APIID, "calc_amount", in.Amount.String(),
		"calc_action", strconv.Itoa(int(in.Action)), "callback_url", in.CallbackURL, "account1", in.Account1, "account2", in.Account2))
	return f
}

// CancelBid asks method cancel_bid and returns the bid's new status.
func (c *Client) CancelBid(ctx context.Context, hash string) (Text, error) {
	return c.follow(ctx, "cancel_bid", hash)
}

// PayBid asks method pay_bid, which says that the customer has paid, and
// returns the bid's new status.
func (c *Client) PayBid(ctx context.Context, hash string) (Text, error) {
	return c.follow(ctx, "pay_bid", hash)
}

// BidInfo asks method bid_info.
func (c *Client) BidInfo(ctx context.Context, in BidInfoRequest) (*Bid, error) {
	k := call{method: "bid_info", purpose: checking, form: form("id", in.ID, "hash", in.Hash)}
	out, err := one[Bid](ctx, c, k)
	switch {
	case err != nil:
		return nil, doubtful(err)
	case !out.ID.Valid():
		return nil, unreadable(k.op(), "the answer has no bid id")
	}
	return out, nil
}

// PartnerInfo asks method get_partner_info.
func (c *Client) PartnerInfo(ctx context.Context) (*PartnerInfo, error) {
	return one[PartnerInfo](ctx, c, call{method: "get_partner_info", purpose: reading})
}

// PartnerLinks asks method get_partner_links.
func (c *Client) PartnerLinks(ctx context.Context, in PartnerLinksRequest) ([]PartnerLink, error) {
	f := form("start_time", number(in.StartTime), "end_time", number(in.EndTime), "ip", in.IP, "limit", number(int64(in.Limit)))
	return items[PartnerLink](ctx, c, call{method: "get_partner_links", purpose: reading, form: f})
}

// PartnerExchanges asks method get_partner_exchanges.
func (c *Client) PartnerExchanges(ctx context.Context, in PartnerExchangesRequest) ([]PartnerExchange, error) {
	f := form("start_time", number(in.StartTime), "end_time", number(in.EndTime), "ip", in.IP, "id", in.ID,
		"status_history", bit(in.StatusHistory), "limit", number(int64(in.Limit)))
	return items[PartnerExchange](ctx, c, call{method: "get_partner_exchanges", purpose: reading, form: f})
}

// PartnerPayouts asks method get_partner_payouts.
func (c *Client) PartnerPayouts(ctx context.Context, in PartnerPayoutsRequest) ([]PartnerPayout, error) {
	return c.partnerPayouts(ctx, checking, in)
}

// partnerPayouts asks for one purpose or another: before the intent more is a
// definite no than of a payout that was asked for.
func (c *Client) partnerPayouts(ctx context.Context, why purpose, in PartnerPayoutsRequest) ([]PartnerPayout, error) {
	f := form("start_time", number(in.StartTime), "end_time", number(in.EndTime), "limit", number(int64(in.Limit)), "id", in.ID)
	return items[PartnerPayout](ctx, c, call{method: "get_partner_payouts", purpose: why, form: f})
}

// AddPartnerPayout sends method add_partner_payout, which asks for all the
// partner has earned in one currency. It is sent at most once, and only under a
// guard (see [providers.WithSendGuard]).
func (c *Client) AddPartnerPayout(ctx context.Context, in AddPartnerPayoutRequest) (*AddPartnerPayoutResponse, error) {
	k := call{method: "add_partner_payout", purpose: paying, form: form("method_id", in.MethodID, "account", in.Account)}
	out, err := one[AddPartnerPayoutResponse](ctx, c, k)
	switch {
	case err != nil:
		return nil, doubtful(err)
	case !out.PayoutID.Valid():
		return nil, unreadable(k.op(), "the answer has no payout id")
	}
	return out, nil
}

// form builds a form of names and values, without those that are empty.
func form(pairs ...string) url.Values {
	f := url.Values{}
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] != "" {
			f.Set(pair[0], pair[1])
		}
	}
	return f
}

func (in CurrencyFilter) form() url.Values {
	return form("currency_id_give", in.GiveID, "currency_id_get", in.GetID)
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func bit(v bool) string {
	if v {
		return "1"
	}
	return ""
}

// request builds a form, because the server does not look at any other body.
// It is sorted by name, so that a repeat has the same bytes. The path has no
// slash at its end: a redirect would not be followed.
func (c *Client) request(k call) providerhttp.Request {
	account := secret.RevealAll(c.login, c.key)
	header := http.Header{"API-LOGIN": {account[0]}, "API-KEY": {account[1]}}
	if c.lang != "" {
		header["API-LANG"] = []string{c.lang}
	}
	return providerhttp.Request{
		Op: k.op(), Method: http.MethodPost, URL: strings.TrimRight(c.base.String(), "/") + "/" + k.method, Header: header,
		Body: []byte(k.form.Encode()), ContentType: "application/x-www-form-urlencoded", Disclose: c.disclose(k.method),
	}
}
