package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

// Ask for the price, order, and wait for what becomes of it.
func Example() {
	c, err := client.Connect(client.Options{URL: os.Getenv("NATS_URL"), Tenant: "acme"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	offer, err := c.FindOffer(ctx, messages.FindOfferQuery{OfferID: 1001})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(offer.Body.ProductName, offer.Body.OfferName, offer.Body.Price)

	e, err := c.SubmitAndWait(ctx, client.Order{
		ID:      "ord-1",
		Params:  messages.OfferParams{OfferID: 1001, Email: "user@example.com", GameUserID: "52357322414"},
		MaxCost: offer.Body.Price, // if it has become dearer meanwhile, it is not bought
	})
	if err != nil {
		log.Fatal(err) // what is certain: see Submit and Wait
	}
	fmt.Println(e.State, "for", e.Cost)
	// Output:
	// PUBG MOBILE GIFT 60 UC 560.10 RUB
	// succeeded for 560.10 RUB
}

// An order with faults is not sent. Each fault points at its place.
func ExampleClient_Submit_faults() {
	c := connectExample()
	defer c.Close()
	_, err := c.Submit(context.Background(), client.Order{ID: "ord 2", Params: messages.OfferParams{OfferID: 1001}})
	var invalid *messages.InvalidError
	if errors.As(err, &invalid) {
		for _, f := range invalid.Faults {
			fmt.Println(f.Pointer)
		}
	}
	// Output:
	// /id
	// /max_cost
}

// When it is not known whether an order was stored, submit it again: the same
// id with the same content is one order, for ever.
func ExampleClient_Submit() {
	c := connectExample()
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	o := client.Order{ID: "ord-3", Params: messages.TopupParams{Login: "gaben_1962", Amount: money.MustDecimal("100.50")}}
	for range 2 { // as after a crash of this program
		_, err := c.Submit(ctx, o)
		switch {
		case errors.Is(err, client.ErrFateUnknown):
			fmt.Println("keep the order as submitted, and submit it again later")
		case errors.Is(err, client.ErrNotStored):
			fmt.Println("it certainly was not stored")
		case err != nil:
			log.Fatal(err) // it has faults
		}
	}
	e, err := c.Wait(ctx, "ord-3")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(e.State, "by what the provider has answered:", e.Finality)
	// Output:
	// succeeded by what the provider has answered: provider_accepted
}

// The id is taken: what is submitted now has no effect.
func ExampleConflictError() {
	c := connectExample()
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	o := client.Order{ID: "ord-4", Params: messages.TopupParams{Login: "gaben_1962", Amount: money.MustDecimal("50")}}
	if _, err := c.SubmitAndWait(ctx, o); err != nil {
		log.Fatal(err)
	}
	o.Params = messages.TopupParams{Login: "gaben_1962", Amount: money.MustDecimal("500")}
	_, err := c.SubmitAndWait(ctx, o)
	var conflict *client.ConflictError
	if errors.As(err, &conflict) {
		fmt.Println("the older order is", conflict.Event.State)
	}
	for d, err := range c.DeadLetters(ctx, 0) {
		if err != nil {
			log.Fatal(err)
		}
		if d.OrderID == "ord-4" {
			fmt.Println(d.Reason)
			break
		}
	}
	// Output:
	// the older order is succeeded
	// order_conflict
}

// Follow all orders of the tenant. The place is kept together with what was done
// about the events, so that the next watch, in another process, goes on behind it.
func ExampleClient_Watch() {
	c := connectExample()
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	place, err := c.Now(ctx) // a program reads its own from where it keeps it
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.Submit(ctx, client.Order{
		ID: "ord-5", Params: messages.OfferParams{OfferID: 1001}, MaxCost: money.Must("1.00", "RUB"), Metadata: map[string]string{"cart": "981"},
	}); err != nil {
		log.Fatal(err)
	}
	for e, err := range c.Watch(ctx, client.Filter{After: place}) {
		if err != nil {
			log.Fatal(err)
		}
		place = e.Seq // in one transaction with what is done about e
		fmt.Println(e.N, e.Type, "of cart", e.Metadata["cart"])
		if e.Terminal() {
			fmt.Println(e.Error.Code)
			break
		}
	}
	// Output:
	// 1 accepted of cart 981
	// 2 failed of cart 981
	// max_cost_exceeded
}

// Some orders need the customer. Wait until there is something to do for them.
func ExampleClient_WaitFor() {
	c := connectExample()
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := c.Submit(ctx, client.Order{ID: "ord-6", Params: messages.DepositParams{SteamID: "76561198827262007", TradeToken: "Ab3_-9xZ"}}); err != nil {
		log.Fatal(err)
	}
	e, err := c.WaitFor(ctx, "ord-6", func(e client.Event) bool { return e.Terminal() || e.State == messages.ActionRequired })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(e.State, "there is a page for the customer:", e.Action != nil && e.Action.URL != "")
	// Output:
	// action_required there is a page for the customer: true
}

// The customer has paid an exchange, or has changed their mind.
func ExampleClient_Confirm() {
	c := connectExample()
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := c.Submit(ctx, client.Order{ID: "ord-7", Params: messages.ExchangeParams{
		DirectionID: "101", Amount: money.MustDecimal("3000"), AmountSide: "give", AccountTo: "TXYZabc", Fields: map[string]string{"cf6": "user@example.com"},
	}})
	if err != nil {
		log.Fatal(err)
	}
	e, err := c.WaitFor(ctx, "ord-7", func(e client.Event) bool { return e.Terminal() || e.State == messages.ActionRequired })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(e.State)
	if e.Action != nil && e.Action.Confirm {
		fmt.Println("the customer pays", e.Action.PayAmount)
		if _, err := c.Confirm(ctx, "ord-7"); err != nil {
			log.Fatal(err)
		}
	}
	e, err = c.WaitFor(ctx, "ord-7", func(e client.Event) bool { return e.Terminal() || e.State == messages.Processing })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(e.State)
	// Output:
	// action_required
	// the customer pays 3030.00 RUB
	// processing
}

// Ask before anything is bought. The number of an error says what to do.
func ExampleServiceError() {
	c := connectExample()
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := c.FindOffer(ctx, messages.FindOfferQuery{OfferID: 4040404})
	var failure *client.ServiceError
	switch {
	case errors.As(err, &failure) && failure.Status == 429:
		fmt.Println("ask again after", failure.RetryAfter)
	case errors.As(err, &failure):
		fmt.Println(failure.Status, failure.Problem.Code)
	case err != nil:
		log.Fatal(err) // nobody answered
	}
	// Output:
	// 404 not_found
}

// A gift card costs something else every ten minutes.
func ExampleClient_GiftCardPrice() {
	c := connectExample()
	defer c.Close()
	a, err := c.GiftCardPrice(context.Background(), messages.GiftCardPriceQuery{ServiceID: 5999})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(a.Body.Price)
	// Output:
	// 513.35075 RUB
}

// All orders in doubt, however many pages there are.
func ExampleClient_Orders() {
	c := connectExample()
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	count := 0
	for e, err := range c.Orders(ctx, messages.OrdersAsked{State: messages.Unresolved}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.OrderID, "may have been bought; an operator looks:", e.NeedsOperator)
		count++
	}
	fmt.Println(count, "in doubt")
	// Output:
	// 0 in doubt
}

// Goods that only the owner of a key can read.
func ExampleEvent_Goods() {
	c := connectExample()
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	seed, sealTo, err := messages.NewSealKey() // once; the seed is kept secret
	if err != nil {
		log.Fatal(err)
	}
	e, err := c.SubmitAndWait(ctx, client.Order{
		ID: "ord-8", Params: messages.OfferParams{OfferID: 1001}, MaxCost: money.Must("600", "RUB"), SealTo: sealTo,
	})
	if err != nil {
		log.Fatal(err)
	}
	goods, err := e.Goods(seed)
	if err != nil {
		log.Fatal(err)
	}
	var code struct{ Key string }
	if err := json.Unmarshal(goods, &code); err != nil {
		log.Fatal(err)
	}
	fmt.Println("sealed:", messages.IsSealed(e.Deliverable), "opened:", code.Key != "")
	// Output:
	// sealed: true opened: true
}

// What is submitted, as it is published.
func ExampleOrder_Encode() {
	body, err := client.Order{
		ID: "ord-9", Params: messages.TelegramStarsParams{Stars: 50, TelegramUser: "@durov"}, MaxCost: money.Must("0.80", "USD"),
	}.Encode()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(body))
	// Output:
	// {"v":1,"id":"ord-9","provider":"gamesdrop","kind":"telegram_stars","params":{"stars":50,"telegram_user":"@durov"},"max_cost":{"amount":"0.80","currency":"USD"}}
}

// connectExample is the first lines of the first example.
func connectExample() *client.Client {
	c, err := client.Connect(client.Options{URL: os.Getenv("NATS_URL"), Tenant: "acme"})
	if err != nil {
		log.Fatal(err)
	}
	return c
}
