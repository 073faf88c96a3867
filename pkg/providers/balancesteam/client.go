package balancesteam

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
)

// DefaultURL is where BalanceSteam is. Only configuration may fall back on it:
// an adapter that was given no URL must not find the real shop by itself.
const DefaultURL = "https://balancesteam.ru"

// Config configures a [Client] and a [Provider].
type Config struct {
	URL    string // the base of all endpoints
	APIKey secret.String
	// Witness: note the balance before each purchase, as evidence for the
	// operator should the answer be lost.
	Witness bool
	HTTP    *providerhttp.Client
}

// Client speaks BalanceSteam's protocol and knows nothing of orders of ours:
// one method for each documented endpoint. Its errors are *providers.Error.
type Client struct {
	base *url.URL
	key  secret.String
	http *providerhttp.Client

	shown *providerhttp.Disclosure
}

// NewClient checks the configuration and reports everything that is wrong with
// it. It opens no connection.
func NewClient(cfg Config) (*Client, error) {
	base, err := providerhttp.ParseBaseURL(cfg.URL)
	if err != nil {
		err = fmt.Errorf("balancesteam: URL: %w", err)
	}
	if cfg.APIKey.Empty() {
		err = errors.Join(err, errors.New("balancesteam: no API key"))
	}
	if cfg.HTTP == nil {
		err = errors.Join(err, errors.New("balancesteam: no HTTP client"))
	}
	if err != nil {
		return nil, err
	}
	return &Client{base: base, key: cfg.APIKey, http: cfg.HTTP, shown: disclosure(cfg.APIKey)}, nil
}

// BalanceV1 asks for the balance: POST /api/partner/balance.
func (c *Client) BalanceV1(ctx context.Context) (Balance, error) {
	return c.balance(ctx, "balancesteam.v1_balance", "/api/partner/balance")
}

// CheckV1 asks whether a Steam login can be topped up: POST /api/partner/check.
func (c *Client) CheckV1(ctx context.Context, login string) (Check, error) {
	return c.check(ctx, "balancesteam.v1_check", "/api/partner/check", url.Values{"steam_login": {login}})
}

// CreateV1 tops a Steam login up: POST /api/partner/create.
func (c *Client) CreateV1(ctx context.Context, login string, amount money.Decimal) (Payment, error) {
	return c.create(ctx, "balancesteam.v1_create", "/api/partner/create", url.Values{"steam_login": {login}, "amount": {amount.String()}})
}

// Balance asks for the balance: POST /api/v2/partner/balance.
func (c *Client) Balance(ctx context.Context) (Balance, error) {
	return c.balance(ctx, "balancesteam.balance", "/api/v2/partner/balance")
}

// CheckSteam asks whether a Steam login can be topped up:
// POST /api/v2/partner/check with service 5955.
func (c *Client) CheckSteam(ctx context.Context, login string) (Check, error) {
	return c.check(ctx, "balancesteam.check_login", "/api/v2/partner/check", service(login, ServiceSteam))
}

// CheckGiftCard asks whether a gift card is to be had and what it costs us:
// POST /api/v2/partner/check. The provider needs an address and takes any.
func (c *Client) CheckGiftCard(ctx context.Context, serviceID int64, email string) (Price, error) {
	const op = "balancesteam.gift_card_price"
	a, r, err := c.ask(ctx, op, "/api/v2/partner/check", service(email, serviceID))
	if err != nil {
		return Price{}, err
	}
	price, ok := amount(a.Price)
	if available, known := flag(a.Status); !ok && known && !available {
		// The document has "status": false for accounts that cannot be served; an
		// answer like it to this question can mean nothing else.
		return Price{}, &providers.Error{
			Op: op, Class: providers.Rejected, Code: providers.CodeAccountRefused, HTTPStatus: r.Status,
			Message: "the gift card is not to be had for this address",
		}
	}
	if !ok || price.Sign() <= 0 {
		return Price{}, doubt(op, r, "the answer has no price")
	}
	return Price{Price: price}, nil
}

// CreateSteam tops a Steam login up: POST /api/v2/partner/create with service
// 5955. The login must have been checked.
func (c *Client) CreateSteam(ctx context.Context, login string, amount money.Decimal) (Payment, error) {
	form := service(login, ServiceSteam)
	form.Set("amount", amount.String())
	return c.create(ctx, "balancesteam.create", "/api/v2/partner/create", form)
}

// CreateGiftCard buys a gift card at whatever it costs now, and has it mailed
// to the customer: POST /api/v2/partner/create.
func (c *Client) CreateGiftCard(ctx context.Context, serviceID int64, email string) (Payment, error) {
	return c.create(ctx, "balancesteam.create_gift_card", "/api/v2/partner/create", service(email, serviceID))
}

func service(loginOrEmail string, id int64) url.Values {
	return url.Values{"login_or_email": {loginOrEmail}, "service_id": {strconv.FormatInt(id, 10)}}
}

func (c *Client) balance(ctx context.Context, op, path string) (Balance, error) {
	a, r, err := c.ask(ctx, op, path, url.Values{})
	if err != nil {
		return Balance{}, err
	}
	balance, ok := amount(a.Balance)
	if !ok {
		return Balance{}, doubt(op, r, "the answer has no balance")
	}
	return Balance{Balance: balance}, nil
}

func (c *Client) check(ctx context.Context, op, path string, form url.Values) (Check, error) {
	a, r, err := c.ask(ctx, op, path, form)
	if err != nil {
		return Check{}, err
	}
	status, known := flag(a.Status)
	if !known {
		return Check{}, doubt(op, r, "the answer has no status")
	}
	return Check{Status: status}, nil
}

func (c *Client) create(ctx context.Context, op, path string, form url.Values) (Payment, error) {
	r, err := c.http.Create(ctx, c.request(op, path, form))
	if err != nil {
		return Payment{}, err
	}
	a, failure := c.read(op, r)
	if failure != nil {
		return Payment{}, failure
	}
	id, ok := number(a.ID)
	if !ok {
		return Payment{}, statusOr(op, r, doubt(op, r, "the answer agrees and has no id"))
	}
	return Payment{ID: id}, nil
}

// ask sends a request that changes nothing.
func (c *Client) ask(ctx context.Context, op, path string, form url.Values) (answer, *providerhttp.Response, error) {
	r, err := c.http.Read(ctx, c.request(op, path, form))
	if err != nil {
		return answer{}, nil, err
	}
	a, failure := c.read(op, r)
	if failure != nil {
		return answer{}, nil, failure // never a typed nil in an error
	}
	return a, r, nil
}

// request builds a form with the key in it. The form is sorted by name, so that
// a repeat has the same bytes.
func (c *Client) request(op, path string, form url.Values) providerhttp.Request {
	form.Set("apikey", c.key.Reveal())
	return providerhttp.Request{
		Op: op, Method: http.MethodPost, URL: c.base.JoinPath(path).String(),
		Body: []byte(form.Encode()), ContentType: "application/x-www-form-urlencoded", Disclose: c.shown,
	}
}
