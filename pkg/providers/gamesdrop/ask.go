package gamesdrop

import (
	"context"
	"strings"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
)

var _ providers.Asker = (*Provider)(nil)

// Ask answers a question that is no part of an order.
func (p *Provider) Ask(ctx context.Context, q messages.Query) (any, error) {
	switch q := q.(type) {
	case messages.DropBalanceQuery:
		return p.askBalance(ctx)
	case messages.BalanceTransactionsQuery:
		return p.askTransactions(ctx, q)
	case messages.FindOfferQuery:
		return p.askOffer(ctx, q)
	case messages.OrderStatusQuery:
		return p.askOrder(ctx, q)
	case messages.CheckPlayerQuery:
		return p.askPlayer(ctx, q)
	case messages.TelegramUserQuery:
		return p.askTelegram(ctx, q)
	default:
		return nil, invalid("gamesdrop.ask", "the question is for another provider")
	}
}

// Lasts is 0: the document says that prices move with every request.
func (p *Provider) Lasts(messages.Query) time.Duration { return 0 }

func (p *Provider) askBalance(ctx context.Context) (any, error) {
	b, err := p.client.Balance(ctx)
	if err != nil {
		return nil, err
	}
	currency, err := money.ParseCurrency(string(b.Currency.Code))
	if err != nil {
		currency = money.USD // as the document has it, whatever the offers cost
	}
	out := messages.DropBalanceAnswer{Balance: money.New(b.Balance.Value, currency)}
	if b.DraftBalance.Valid {
		draft := money.New(b.DraftBalance.Value, currency)
		out.DraftBalance = &draft
	}
	return out, nil
}

func (p *Provider) askTransactions(ctx context.Context, q messages.BalanceTransactionsQuery) (any, error) {
	t, err := p.client.Transactions(ctx, TransactionsRequest{Page: int(q.Page), Limit: int(q.Limit)})
	if err != nil {
		return nil, err
	}
	out := messages.BalanceTransactionsAnswer{Transactions: []messages.BalanceTransaction{}, Total: t.Total.orNull()}
	for _, line := range t.Transactions {
		out.Transactions = append(out.Transactions, messages.BalanceTransaction{
			ID: p.client.clean(string(line.ID)), Amount: line.Amount.orNull(), Type: p.client.clean(string(line.Type)),
			Description: p.client.clean(string(line.Description)), BalanceAfter: line.BalanceAfter.orNull(), CreatedAt: line.CreatedAt.orNull(),
		})
	}
	return out, nil
}

func (p *Provider) askOffer(ctx context.Context, q messages.FindOfferQuery) (any, error) {
	const op = "gamesdrop.find_one"
	id := NumberedOffer(q.OfferID)
	if q.Stars > 0 {
		id = StarsOffer(q.Stars)
	}
	o, err := p.client.FindOne(ctx, FindOneRequest{OfferID: id})
	if err != nil {
		return nil, unknown(err, codeOfferNotFound)
	}
	price := o.Price.money(o.Currency)
	switch {
	case o.OfferID != "" && o.OfferID != id:
		return nil, mismatch(op, "the answer is about another offer")
	case price == nil || !o.Price.Positive():
		return nil, unreadable(op, "the answer has no price")
	}
	return messages.FindOfferAnswer{
		OfferID: string(id), ProductName: p.client.clean(string(o.ProductName)), OfferName: p.client.clean(string(o.OfferName)),
		Count: o.Count.orNull(), Price: *price, ReturnsData: o.IsReturnDataForCustomer.orNull(),
	}, nil
}

// askOrder never tells the goods code: whoever may ask about an order must not
// thereby get its goods.
func (p *Provider) askOrder(ctx context.Context, q messages.OrderStatusQuery) (any, error) {
	const op = "gamesdrop.order_status"
	o, err := p.client.OrderStatus(ctx, OrderStatusRequest{OrderID: ID(q.OrderID)})
	switch {
	case err != nil:
		return nil, unknown(err, codeOrderNotFound)
	case !o.OrderID.Valid():
		return nil, unreadable(op, "the answer has no order id")
	case string(o.OrderID) != q.OrderID:
		return nil, mismatch(op, "the answer is about another order")
	}
	text := func(t Text) *string {
		said := string(t)
		if !o.Key.Empty() {
			said = strings.ReplaceAll(said, o.Key.Reveal(), "***")
		}
		return p.text(said)
	}
	out := messages.OrderStatusAnswer{
		OrderID: string(o.OrderID), Status: p.client.clean(string(o.Status)), OfferID: p.text(string(o.OfferID)), ProductName: text(o.ProductName),
		OfferName: text(o.OfferName), Count: o.Count.orNull(), Price: o.Price.money(o.Currency), Message: text(o.Message),
		HasKey: !o.Key.Empty(), CreatedAt: o.CreatedAt.orNull(),
	}
	if d := o.FulfillmentData; d != nil {
		out.FulfillmentData = &messages.Fulfillment{
			TelegramUserID: p.text(string(d.TelegramUserID)), StarsAmount: d.StarsAmount.orNull(), TransactionID: text(d.TransactionID),
			DeliveryStatus: text(d.DeliveryStatus), ErrorMessage: text(d.ErrorMessage),
		}
	}
	return out, nil
}

func (p *Provider) askPlayer(ctx context.Context, q messages.CheckPlayerQuery) (any, error) {
	c, err := p.client.CheckGameData(ctx, CheckGameDataRequest{
		OfferID: NumberedOffer(q.OfferID), GameUserID: q.GameUserID, GameServerID: q.GameServerID,
	})
	if err != nil {
		return nil, unknown(err, codeOfferNotFound)
	}
	if c.Status != PlayerValid && c.Status != PlayerInvalid {
		return nil, unreadable("gamesdrop.check_game_data", "the answer says neither VALID nor INVALID")
	}
	return messages.CheckPlayerAnswer{Valid: c.Status == PlayerValid, GameUserLogin: p.text(string(c.GameUserLogin))}, nil
}

// askTelegram asks for names only: an order takes a number as it is.
func (p *Provider) askTelegram(ctx context.Context, q messages.TelegramUserQuery) (any, error) {
	if ID(q.TelegramUser).Valid() {
		return messages.TelegramUserAnswer{Found: true, Valid: true, TelegramUserID: &q.TelegramUser}, nil
	}
	u, err := p.client.TelegramUser(ctx, TelegramUserRequest{Username: q.TelegramUser})
	if err != nil {
		return nil, err
	}
	out := messages.TelegramUserAnswer{
		Found: u.Valid.Value && u.UserInfo.ID.Valid(), Valid: u.Valid.Value, Username: p.text(string(u.Username)),
		FirstName: p.text(string(u.UserInfo.FirstName)), Message: p.text(string(u.Message)),
	}
	if out.Found {
		out.TelegramUserID = p.text(string(u.UserInfo.ID))
	}
	return out, nil
}

// unknown marks an error with the code as "there is no such thing".
func unknown(err error, code string) error {
	if providers.AsError(err).Code == code {
		return providers.NotFound(err)
	}
	return err
}

// text is a text of theirs, nil for none.
func (p *Provider) text(text string) *string {
	if text == "" {
		return nil
	}
	text = p.client.clean(text)
	return &text
}

func (a Amount) orNull() *money.Decimal {
	if !a.Valid {
		return nil
	}
	return &a.Value
}

func (n Integer) orNull() *int64 {
	if !n.Known {
		return nil
	}
	return &n.Value
}

func (f Flag) orNull() *bool {
	if !f.Known {
		return nil
	}
	return &f.Value
}

func (t Timestamp) orNull() *time.Time {
	if t.Time.IsZero() {
		return nil
	}
	return &t.Time
}
