package skinsback

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
)

// DefaultURL is where SkinsBack is. Only configuration may fall back on it: a
// client that was given no URL must not find the real shop by itself.
const DefaultURL = "https://skinsback.com/api.php"

// The two ways to show who is asking.
const (
	AuthHeaders   = "headers"   // X-CLIENT-ID and X-CLIENT-SECRET
	AuthSignature = "signature" // shopid and sign in the form; the secret stays here
)

// Config configures a [Client] and a [Provider].
type Config struct {
	URL          string // the whole address, api.php included
	ClientID     string
	ClientSecret secret.String
	Auth         string // AuthHeaders or AuthSignature
	HTTP         *providerhttp.Client
	// ResultURL gives the address for an order's webhook; nil, or an empty
	// address, leaves the one of the project's settings.
	ResultURL func(providers.Order) string
}

// Client speaks SkinsBack's protocol and knows nothing of orders of ours: one
// method for each endpoint of the package comment. Its errors are
// *providers.Error.
type Client struct {
	url, id string
	secret  secret.String
	signed  bool
	http    *providerhttp.Client
	shown   *providerhttp.Disclosure
}

var headerText = regexp.MustCompile(`^[^\x00-\x1f\x7f]+$`)

// NewClient checks the configuration and reports everything that is wrong
// with it. It opens no connection.
func NewClient(cfg Config) (*Client, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("skinsback: "+format, args...)) }
	address, err := providerhttp.ParseBaseURL(cfg.URL)
	if err != nil {
		fault("URL: %w", err)
	}
	if !headerText.MatchString(cfg.ClientID) {
		fault("the client id is missing or has control characters")
	}
	if !headerText.MatchString(cfg.ClientSecret.Reveal()) {
		fault("the client secret is missing or has control characters")
	}
	if cfg.Auth != AuthHeaders && cfg.Auth != AuthSignature {
		fault("auth must be %s or %s", AuthHeaders, AuthSignature)
	}
	if cfg.HTTP == nil {
		fault("no HTTP client")
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return &Client{
		url: address.String(), id: cfg.ClientID, secret: cfg.ClientSecret, signed: cfg.Auth == AuthSignature, http: cfg.HTTP,
		shown: disclosure(cfg.ClientSecret),
	}, nil
}

// Create makes a deposit that the customer can pay. It is sent at most once,
// and only under a guard (see [providers.WithSendGuard]).
func (c *Client) Create(ctx context.Context, in CreateRequest) (*CreateResponse, error) {
	const op = "skinsback.create"
	r, err := c.http.Create(ctx, c.request(op, in.params()))
	if err != nil {
		return nil, err
	}
	return c.created(op, r)
}

func (c *Client) created(op string, r *providerhttp.Response) (*CreateResponse, error) {
	var out struct {
		Status Text `json:"status"`
		CreateResponse
	}
	if err := c.read(op, creating, r, &out); err != nil {
		return nil, err
	}
	switch {
	case out.Status != StatusSuccess:
		return nil, doubt(op, r, "the answer is neither a success nor an error")
	case !out.TransactionID.Valid():
		return nil, doubt(op, r, "the answer has no transaction_id")
	case !c.payable(string(out.URL)):
		return nil, doubt(op, r, "the answer has no address to pay at")
	}
	return &out.CreateResponse, nil
}

// maxURL bounds the address that is passed on to the customer.
const maxURL = 2048

// payable reports whether a text is an address to send a customer to: as safe
// as the API's own.
func (c *Client) payable(text string) bool {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxURL || u.User != nil || u.Hostname() == "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && strings.HasPrefix(c.url, "http:")
}

// OrderStatus asks what has become of a deposit. One that the provider does
// not know is an error with [ErrNotFound] in it.
func (c *Client) OrderStatus(ctx context.Context, in OrderStatusRequest) (*Deposit, error) {
	const op = "skinsback.order_status"
	params := map[string]string{"method": "orderstatus"}
	switch {
	case in.OrderID != "" && in.TransactionID == "":
		params["order_id"] = in.OrderID
	case in.TransactionID != "" && in.OrderID == "":
		params["transaction_id"] = in.TransactionID
	default:
		return nil, invalid(op, "a deposit is asked for by order_id or by transaction_id")
	}
	r, err := c.http.Read(ctx, c.request(op, params))
	if err != nil {
		return nil, err
	}
	var out Deposit
	if err := c.read(op, asking, r, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// params are the texts of a create, as they are sent and signed.
func (in CreateRequest) params() map[string]string {
	params := map[string]string{
		"method": "create", "order_id": in.OrderID, "steam_id": in.SteamID, "trade_token": in.TradeToken,
		"currency": in.Currency, "result_url": in.ResultURL, "fail_url": in.FailURL, "success_url": in.SuccessURL,
		"min_amount": decimalText(in.MinAmount), "max_amount": decimalText(in.MaxAmount), "game": in.Game,
		"custom_multiplier": decimalText(in.CustomMultiplier),
		"custom_currency":   in.CustomCurrency, "custom_currency_rate": decimalText(in.CustomCurrencyRate),
	}
	if in.Widget {
		params["widget"] = "1" // never true: what PHP signs for a boolean is not what it is sent as
	}
	for name, value := range params {
		if value == "" {
			delete(params, name)
		}
	}
	return params
}

func decimalText(d *money.Decimal) string {
	if d == nil {
		return ""
	}
	return d.String()
}

// request makes a form that shows who is asking. The form is sorted by name, so
// that a repeat has the same bytes.
func (c *Client) request(op string, params map[string]string) providerhttp.Request {
	header := http.Header{}
	if c.signed {
		params["shopid"] = c.id
		params[fieldSign] = Sign(params, c.secret)
	} else {
		header.Set("X-CLIENT-ID", c.id)
		header.Set("X-CLIENT-SECRET", c.secret.Reveal())
	}
	form := make(url.Values, len(params))
	for name, value := range params {
		form.Set(name, value)
	}
	return providerhttp.Request{
		Op: op, Method: http.MethodPost, URL: c.url, Header: header,
		Body: []byte(form.Encode()), ContentType: "application/x-www-form-urlencoded", Disclose: c.shown,
	}
}
