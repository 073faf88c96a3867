package gamesdroptest

import (
	"strconv"
	"strings"
)

// Offer is something the shop sells.
type Offer struct {
	ID                 string // "1001", or "telegram_stars_100"
	Product, Name      string
	Count              int
	Price, Currency    string // as find-one tells it
	Charge             string // as the order is charged; empty: as Price
	ReturnsKey         bool
	NeedsPlayer        bool     // customer.gameUserId is required
	NeedsServer        bool     // and customer.gameServerId
	Life               []string // the statuses of its orders, one for each time they are asked for
	KeyAfter           int      // how many times a COMPLETED order is shown without its key
	Free               bool     // no debit: the test offer
	Hidden             bool     // not available: find-one does not know it, players are INVALID
	telegramStarsCount int
}

func (o *Offer) stars() bool { return o.telegramStarsCount > 0 }

// wireID is the id as it stands in JSON.
func (o *Offer) wireID() string {
	if o.stars() {
		return quote(o.ID)
	}
	return o.ID
}

// The offers of a new shop.
const (
	OfferPUBG          int64 = 1001 // 560.10 RUB, done at once, with a key
	OfferTest          int64 = 999  // 23.09 KZT, never debited
	OfferDirect        int64 = 1002 // 75.00 USD, credited to a player, no key
	OfferServer        int64 = 1003 // 12.50 USD, needs player and server
	OfferPending       int64 = 2001 // 10.00 USD: SUBMITTED, PROCESSING, COMPLETED
	OfferCanceled      int64 = 2002 // 10.00 USD: SUBMITTED, CANCELED
	OfferRefunded      int64 = 2003 // 10.00 USD: SUBMITTED, REFUND
	OfferCanceledNow   int64 = 2004 // 10.00 USD: CANCELED in the answer to create-order
	OfferRefundedNow   int64 = 2005 // 10.00 USD: REFUND in the answer to create-order
	OfferStrange       int64 = 2006 // 10.00 USD: FROZEN, a status of no document, then COMPLETED
	OfferLateKey       int64 = 2007 // 10.00 USD: COMPLETED at once, its key later
	OfferReversed      int64 = 2008 // 10.00 USD: COMPLETED, then REFUND
	OfferHidden        int64 = 2009 // not available
	starsPrefix              = "telegram_stars_"
	statusSubmitted          = "SUBMITTED"
	statusProcessing         = "PROCESSING"
	statusCompleted          = "COMPLETED"
	statusCanceled           = "CANCELED"
	statusRefund             = "REFUND"
	statusOfNoDocument       = "FROZEN"
)

func defaultOffers() []Offer {
	tenDollars := func(id int64, name string, life ...string) Offer {
		return Offer{
			ID: strconv.FormatInt(id, 10), Product: "Gift card", Name: name, Count: 1,
			Price: "10.00", Currency: "USD", ReturnsKey: true, Life: life,
		}
	}
	lateKey := tenDollars(OfferLateKey, "Late key", statusCompleted)
	lateKey.KeyAfter = 2
	hidden := tenDollars(OfferHidden, "Hidden", statusCompleted)
	hidden.Hidden = true
	offers := []Offer{
		{ID: "1001", Product: "PUBG MOBILE GIFT", Name: "60 UC", Count: 1, Price: "560.10", Currency: "RUB", ReturnsKey: true, Life: []string{statusCompleted}},
		{ID: "999", Product: "Steam US", Name: "TEST OFFER GROUP", Count: 1, Price: "23.09", Currency: "KZT", ReturnsKey: true, Free: true, Life: []string{statusCompleted}},
		{ID: "1002", Product: "Virtual credits", Name: "750 credits", Count: 1, Price: "75.00", Currency: "USD", NeedsPlayer: true, Life: []string{statusCompleted}},
		{ID: "1003", Product: "Mobile game credits", Name: "100 gems", Count: 1, Price: "12.50", Currency: "USD", NeedsPlayer: true, NeedsServer: true, Life: []string{statusCompleted}},
		tenDollars(OfferPending, "Pending", statusSubmitted, statusProcessing, statusCompleted),
		tenDollars(OfferCanceled, "Canceled", statusSubmitted, statusCanceled),
		tenDollars(OfferRefunded, "Refunded", statusSubmitted, statusRefund),
		tenDollars(OfferCanceledNow, "Canceled at once", statusCanceled),
		tenDollars(OfferRefundedNow, "Refunded at once", statusRefund),
		tenDollars(OfferStrange, "Strange", statusOfNoDocument, statusCompleted),
		lateKey,
		tenDollars(OfferReversed, "Reversed", statusCompleted, statusRefund),
		hidden,
	}
	for _, s := range []struct {
		count         int
		price, charge string
	}{{50, "0.39", "0.39"}, {100, "0.77", "0.78"}, {500, "3.85", "3.86"}, {1000, "7.70", "7.69"}} {
		offers = append(offers, Offer{
			ID: starsPrefix + strconv.Itoa(s.count), Product: "Telegram Stars", Name: strconv.Itoa(s.count) + " Stars", Count: 1,
			Price: s.price, Charge: s.charge, Currency: "USD", ReturnsKey: true, NeedsPlayer: true, Life: []string{statusCompleted},
		})
	}
	return offers
}

// telegramUser is an account of Telegram, by its name without @.
type telegramUser struct {
	id        int64 // 0: it never wrote to the bot, so its id is not known
	name      string
	firstName string
}

// player is what check-game-data knows of a player.
type player struct {
	login string
	valid bool
}

func starsOf(id string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(id, starsPrefix))
	if err != nil || !strings.HasPrefix(id, starsPrefix) {
		return 0
	}
	return n
}
