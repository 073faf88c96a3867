package gamesdrop

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/providers"
)

// Where GamesDrop is. Only configuration may fall back on them: a client that
// was given no URL must not find the real shop by itself.
const (
	DefaultURL         = "https://partner.gamesdrop.io"
	DefaultTelegramURL = "https://gamesdrop.io/api/aggregator/a6/telegram/user-info"
)

// Config configures a [Client] and a [Provider]. Every field is required.
type Config struct {
	URL         string // the base of all endpoints but one
	TelegramURL string // the whole address of the validation of Telegram users
	Token       secret.String
	HTTP        *providerhttp.Client
}

// Client speaks GamesDrop's protocol and knows nothing of orders of ours: one
// method for each documented endpoint. Its errors are *providers.Error.
type Client struct {
	base, telegram string
	token          secret.String
	http           *providerhttp.Client
	shown          *providerhttp.Disclosure
}

// NewClient checks the configuration and reports everything that is wrong
// with it. It opens no connection.
func NewClient(cfg Config) (*Client, error) {
	base, baseErr := parseURL("URL", cfg.URL)
	telegram, telegramErr := parseURL("telegram URL", cfg.TelegramURL)
	var tokenErr, httpErr error
	if cfg.Token.Empty() {
		tokenErr = errors.New("gamesdrop: no token")
	}
	if cfg.HTTP == nil {
		httpErr = errors.New("gamesdrop: no HTTP client")
	}
	if err := errors.Join(baseErr, telegramErr, tokenErr, httpErr); err != nil {
		return nil, err
	}
	return &Client{base: strings.TrimRight(base, "/"), telegram: telegram, token: cfg.Token, http: cfg.HTTP, shown: disclosure(cfg.Token)}, nil
}

func parseURL(name, text string) (string, error) {
	u, err := providerhttp.ParseBaseURL(text)
	if err != nil {
		return "", &configError{name, err}
	}
	return u.String(), nil
}

type configError struct {
	name string
	err  error
}

func (e *configError) Error() string { return "gamesdrop: " + e.name + ": " + e.err.Error() }
func (e *configError) Unwrap() error { return e.err }

// Balance asks GET /api/v1/balance.
func (c *Client) Balance(ctx context.Context) (*BalanceResponse, error) {
	const op = "gamesdrop.balance"
	var out BalanceResponse
	if err := c.read(ctx, reading, c.get(op, "/api/v1/balance", nil), &out); err != nil {
		return nil, err
	}
	if !out.Balance.Valid {
		return nil, unreadable(op, "the answer has no balance")
	}
	return &out, nil
}

// Transactions asks GET /api/v1/balance/transactions.
func (c *Client) Transactions(ctx context.Context, in TransactionsRequest) (*TransactionsResponse, error) {
	query := url.Values{}
	if in.Page > 0 {
		query.Set("page", strconv.Itoa(in.Page))
	}
	if in.Limit > 0 {
		query.Set("limit", strconv.Itoa(in.Limit))
	}
	const op = "gamesdrop.balance_transactions"
	var out TransactionsResponse
	if err := c.read(ctx, reading, c.get(op, "/api/v1/balance/transactions", query), &out); err != nil {
		return nil, err
	}
	if out.Transactions == nil {
		return nil, unreadable(op, "the answer has no list of transactions")
	}
	return &out, nil
}

// FindOne asks POST /api/v1/offers/find-one for an offer and its price.
func (c *Client) FindOne(ctx context.Context, in FindOneRequest) (*FindOneResponse, error) {
	r, err := c.post("gamesdrop.find_one", c.base+"/api/v1/offers/find-one", in)
	if err != nil {
		return nil, err
	}
	var out FindOneResponse
	if err := c.read(ctx, reading, r, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// CreateOrder sends POST /api/v1/offers/create-order, which buys. It is sent
// at most once, and only under a guard (see [providers.WithSendGuard]).
func (c *Client) CreateOrder(ctx context.Context, in CreateOrderRequest) (*Order, error) {
	r, err := c.post("gamesdrop.create_order", c.base+"/api/v1/offers/create-order", in)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Create(ctx, r)
	if err != nil {
		return nil, err
	}
	var out Order
	if err := c.decode(r.Op, creating, res, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// OrderStatus asks POST /api/v1/offers/order-status.
func (c *Client) OrderStatus(ctx context.Context, in OrderStatusRequest) (*Order, error) {
	r, err := c.post("gamesdrop.order_status", c.base+"/api/v1/offers/order-status", in)
	if err != nil {
		return nil, err
	}
	var out Order
	if err := c.read(ctx, checking, r, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// CheckGameData asks POST /api/v1/offers/check-game-data whether a player exists.
func (c *Client) CheckGameData(ctx context.Context, in CheckGameDataRequest) (*CheckGameDataResponse, error) {
	r, err := c.post("gamesdrop.check_game_data", c.base+"/api/v1/offers/check-game-data", in)
	if err != nil {
		return nil, err
	}
	var out CheckGameDataResponse
	if err := c.read(ctx, reading, r, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// TelegramUser asks for the id of a Telegram user, at an address of its own.
func (c *Client) TelegramUser(ctx context.Context, in TelegramUserRequest) (*TelegramUserResponse, error) {
	r, err := c.post("gamesdrop.telegram_user", c.telegram, in)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Read(ctx, r)
	if err != nil {
		return nil, err
	}
	var out TelegramUserResponse
	// The document does not say with which HTTP status a name is refused.
	no := res.Status >= 400 && res.Status < 500 && res.Status != http.StatusUnauthorized
	if no && providerhttp.DecodeJSON(r.Op, res, &out) == nil && out.Valid.Known && !out.Valid.Value {
		return &out, nil
	}
	if err := c.decode(r.Op, reading, res, &out); err != nil {
		return nil, err
	}
	if !out.Valid.Known {
		return nil, unreadable(r.Op, "the answer does not say whether the name is valid")
	}
	return &out, nil
}

func (c *Client) get(op, path string, query url.Values) providerhttp.Request {
	address := c.base + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return providerhttp.Request{Op: op, Method: http.MethodGet, URL: address, Header: c.header()}
}

func (c *Client) post(op, address string, in any) (providerhttp.Request, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return providerhttp.Request{}, &providers.Error{
			Op: op, Class: providers.Invalid, Code: providers.CodeUnprocessable, Message: "the request cannot be written",
		}
	}
	return providerhttp.Request{
		Op: op, Method: http.MethodPost, URL: address, Header: c.header(), Body: body, ContentType: "application/json", Disclose: c.shown,
	}, nil
}

// header bears the token bare: "Bearer" in front of it is refused.
func (c *Client) header() http.Header {
	return http.Header{"Authorization": {c.token.Reveal()}}
}

func (c *Client) read(ctx context.Context, p purpose, r providerhttp.Request, into any) error {
	res, err := c.http.Read(ctx, r)
	if err != nil {
		return err
	}
	return c.decode(r.Op, p, res, into)
}

// decode reads an answer that arrived. What is no documented answer to the
// request is an error, whatever its HTTP status.
func (c *Client) decode(op string, p purpose, r *providerhttp.Response, into any) error {
	f, found := readFault(op, r)
	if found || r.Status < 200 || r.Status > 299 {
		return c.failure(op, p, r, f)
	}
	if err := providerhttp.DecodeJSON(op, r, into); err != nil {
		return err
	}
	return nil
}

// unreadable is the error of an answer without what it must have.
func unreadable(op, why string) *providers.Error {
	return &providers.Error{Op: op, Class: providers.Ambiguous, Code: providers.CodeUnreadable, Message: why}
}

// mismatch is the error of an answer about something we did not ask for.
func mismatch(op, why string) *providers.Error {
	return &providers.Error{Op: op, Class: providers.Ambiguous, Code: codeAnswerMismatch, Message: why}
}
