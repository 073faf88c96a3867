package gamesdroptest

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// The paths of the shop. TelegramPath is at another host in the document.
const (
	BalancePath      = "/api/v1/balance"
	TransactionsPath = "/api/v1/balance/transactions"
	FindOnePath      = "/api/v1/offers/find-one"
	CreateOrderPath  = "/api/v1/offers/create-order"
	OrderStatusPath  = "/api/v1/offers/order-status"
	CheckPath        = "/api/v1/offers/check-game-data"
	TelegramPath     = "/api/aggregator/a6/telegram/user-info"
)

// The names of the endpoints, for faults and in the book.
const (
	OpBalance      = "balance"
	OpTransactions = "balance_transactions"
	OpFindOne      = "find_one"
	OpCreateOrder  = "create_order"
	OpOrderStatus  = "order_status"
	OpCheck        = "check_game_data"
	OpTelegram     = "telegram_user"
)

// op names the endpoint of a request; a path of no endpoint is its own name.
func op(r *http.Request) string {
	names := map[string]string{
		BalancePath: OpBalance, TransactionsPath: OpTransactions, FindOnePath: OpFindOne, CreateOrderPath: OpCreateOrder,
		OrderStatusPath: OpOrderStatus, CheckPath: OpCheck, TelegramPath: OpTelegram,
	}
	return firstOf(names[r.URL.Path], r.URL.Path)
}

// ServeHTTP answers as the document says.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.door.ServeHTTP(w, r)
}

// serve is what lies behind the door.
func (s *Shop) serve(w http.ResponseWriter, r *http.Request) {
	gets := map[string]http.HandlerFunc{BalancePath: s.serveBalance, TransactionsPath: s.serveTransactions}
	posts := map[string]func(context.Context, *fields) (string, refusal){
		FindOnePath: s.findOne, CreateOrderPath: s.createOrder, OrderStatusPath: s.orderStatus,
		CheckPath: s.checkGameData, TelegramPath: s.telegramUserInfo,
	}
	get, post := gets[r.URL.Path], posts[r.URL.Path]
	switch {
	case get == nil && post == nil:
		answer(w, http.StatusNotFound, `{"statusCode":404,"message":"Cannot `+r.Method+` this path"}`)
	case get != nil && r.Method != http.MethodGet, post != nil && r.Method != http.MethodPost:
		answer(w, http.StatusMethodNotAllowed, `{"statusCode":405,"message":"Method Not Allowed"}`)
	case r.Header.Get("Authorization") != s.token:
		answer(w, http.StatusUnauthorized, `{"error":{"code":"INVALID_TOKEN"}}`)
	case get != nil:
		get(w, r)
	default:
		f, err := readBody(r)
		if err != nil {
			s.refuse(w, "INVALID_REQUEST_BODY")
			return
		}
		body, why := post(r.Context(), f)
		if why != "" {
			s.refuse(w, why)
			return
		}
		answer(w, http.StatusOK, body)
	}
}

// refuse writes an error in the shape that the options ask for.
func (s *Shop) refuse(w http.ResponseWriter, why refusal) {
	code, message := string(why), "refused: "+strings.ToLower(strings.ReplaceAll(string(why), "_", " "))
	o := &object{}
	switch s.shape {
	case ShapeWord:
		o.text("error", code).text("message", message)
	case ShapeCode:
		o.text("code", code).text("message", message)
	case ShapeMessage:
		o.number("statusCode", int64(s.errorStatus)).text("message", code)
	default:
		o.raw("error", (&object{}).text("code", code).text("message", message).String())
	}
	answer(w, s.errorStatus, o.String())
}

func (s *Shop) serveBalance(w http.ResponseWriter, _ *http.Request) {
	currency := (&object{}).number("id", 3).text("code", "USD").String()
	answer(w, http.StatusOK, (&object{}).raw("balance", s.Balance().Fixed(2)).raw("draftBalance", "0.00").raw("currency", currency).String())
}

func (s *Shop) serveTransactions(w http.ResponseWriter, r *http.Request) {
	page, limit := 1, 20
	for name, into := range map[string]*int{"page": &page, "limit": &limit} {
		if text := r.URL.Query().Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 || n > 1000 {
				s.refuse(w, "INVALID_REQUEST_BODY")
				return
			}
			*into = n
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for i := len(s.history) - 1 - (page-1)*limit; i >= 0 && len(list) < limit; i-- {
		t := s.history[i]
		list = append(list, (&object{}).number("id", t.id).raw("amount", t.amount.Fixed(2)).text("type", t.kind).
			text("description", t.describe).raw("balanceAfter", t.after.Fixed(2)).
			text("createdAt", t.at.UTC().Format("2006-01-02T15:04:05.000Z")).String())
	}
	answer(w, http.StatusOK, (&object{}).raw("transactions", "["+strings.Join(list, ",")+"]").number("total", int64(len(s.history))).String())
}

func (s *Shop) findOne(_ context.Context, f *fields) (string, refusal) {
	id := f.offer()
	if !f.done() {
		return "", "INVALID_REQUEST_BODY"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.offers[id]
	if o == nil || o.Hidden {
		return "", "OFFER_NOT_FOUND"
	}
	return (&object{}).raw("offerId", o.wireID()).text("productName", o.Product).text("offerName", o.Name).
		number("count", int64(o.Count)).raw("price", o.Price).text("currency", o.Currency).
		flag("isReturnDataForCustomer", o.ReturnsKey).String(), ""
}

func (s *Shop) createOrder(ctx context.Context, f *fields) (string, refusal) {
	offerID, price, transactionID := f.offer(), f.number("price", decimalNumber), f.text("transactionId", true)
	var c Purchase
	if customer := f.object("customer"); customer != nil {
		c.Email, c.GameUserID = customer.text("email", false), customer.text("gameUserId", false)
		c.GameServerID = customer.text("gameServerId", false)
		if !customer.done() {
			return "", "INVALID_REQUEST_BODY"
		}
	}
	if !f.done() {
		return "", "INVALID_REQUEST_BODY"
	}
	o, why := s.take(ctx, offerID, price, transactionID, c)
	if why != "" {
		return "", why
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.show(o), ""
}

func (s *Shop) orderStatus(_ context.Context, f *fields) (string, refusal) {
	id, err := strconv.ParseInt(f.number("orderId", wholeNumber), 10, 64)
	if err != nil || !f.done() {
		return "", "INVALID_REQUEST_BODY"
	}
	body, ok := s.poll(id)
	if !ok {
		return "", "ORDER_NOT_FOUND"
	}
	return body, ""
}

// show writes an order. A canceled one of Stars has neither offer nor price.
func (s *Shop) show(o *order) string {
	b := (&object{}).number("orderId", o.OrderID)
	if o.offer.stars() && o.Status == statusCanceled {
		return b.text("status", o.Status).text("message", "Failed to deliver Stars: "+o.reason).
			raw("fulfillmentData", o.fulfillment("failed")).text("createdAt", o.At.UTC().Format("2006-01-02T15:04:05.000Z")).String()
	}
	b.number("count", int64(o.offer.Count)).raw("price", o.Price.AmountString()).text("currency", string(o.Price.Currency)).
		raw("offerId", o.offer.wireID()).text("productName", o.offer.Product).text("offerName", o.offer.Name).
		text("status", o.Status).flag("isReturnDataForCustomer", o.offer.ReturnsKey)
	if o.Status == statusCompleted && o.offer.ReturnsKey && !o.offer.stars() {
		if o.shown++; o.shown > o.offer.KeyAfter {
			b.text("key", o.key)
		}
	}
	if o.offer.stars() {
		return b.raw("fulfillmentData", o.fulfillment("completed")).text("createdAt", o.At.UTC().Format("2006-01-02T15:04:05.000Z")).String()
	}
	return b.text("createdAt", o.At.UTC().Format("2006-01-02 15:04:05.000+00")).String()
}

func (o *order) fulfillment(delivery string) string {
	b := (&object{}).raw("telegram_user_id", o.GameUserID).number("stars_amount", int64(o.offer.telegramStarsCount))
	if delivery == "completed" {
		return b.text("transaction_id", fmt.Sprintf("tg_tx_%d", o.OrderID)).text("delivery_status", delivery).String()
	}
	return b.text("delivery_status", delivery).text("error_message", o.reason).String()
}

func (s *Shop) checkGameData(_ context.Context, f *fields) (string, refusal) {
	offerID, id := f.offer(), f.text("gameUserId", true)
	server := f.text("gameServerId", false)
	if !f.done() {
		return "", "INVALID_REQUEST_BODY"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	offer := s.offers[offerID]
	known, listed := s.players[id]
	switch {
	case offer == nil || offer.Hidden, offer.NeedsServer && server == "", listed && !known.valid && !offer.Free:
		return `{"status":"INVALID"}`, ""
	case !listed:
		known.login = id
	}
	return (&object{}).text("status", "VALID").text("gameUserLogin", known.login).String(), ""
}

func (s *Shop) telegramUserInfo(_ context.Context, f *fields) (string, refusal) {
	name := strings.TrimPrefix(f.text("username", true), "@")
	if !f.done() {
		return "", "INVALID_REQUEST_BODY"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	user, known := s.telegram[strings.ToLower(name)]
	switch {
	case !known:
		return (&object{}).flag("valid", false).text("username", name).raw("userInfo", "{}").text("message", "User not found").String(), ""
	case user.id == 0:
		info := (&object{}).text("username", user.name).text("first_name", user.firstName).String()
		return (&object{}).flag("valid", true).text("username", user.name).raw("userInfo", info).
			text("message", "Username format is valid, but user details are not publicly available.").String(), ""
	default:
		info := (&object{}).number("id", user.id).text("first_name", user.firstName).text("username", user.name).String()
		return (&object{}).flag("valid", true).text("username", user.name).raw("userInfo", info).
			text("message", "User account verified successfully").String(), ""
	}
}
