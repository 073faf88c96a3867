package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// shop is a fake provider behind a door of ours. The door's faults are planned
// for one customer each, so that they hit the order they were meant for,
// whatever else is under way.
type shop struct {
	door     *providertest.Door
	listener net.Listener
	server   *http.Server
}

// openShop serves a shop. key tells from a body whose request it is.
func openShop(ctx context.Context, inside http.Handler, key func([]byte) string) (*shop, error) {
	op := func(r *http.Request) string {
		body, _ := io.ReadAll(r.Body)
		return r.URL.Path + " " + key(body)
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &shop{door: providertest.NewDoor(providertest.NewBook(nil), providertest.NewFaults(1), op, inside), listener: listener}
	s.server = &http.Server{Handler: s.door, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.server.Serve(listener) }()
	return s, nil
}

func (s *shop) url() string { return "http://" + s.listener.Addr().String() }

func (s *shop) close() {
	s.door.Close()
	_ = s.server.Close()
}

// plan plans a fault for the next create of one customer.
func (s *shop) plan(path, customer string, kind providertest.FaultKind) {
	s.door.Faults.Once(path+" "+customer, providertest.Fault{Kind: kind})
}

// steamKey is the customer of a request to BalanceSteam.
func steamKey(body []byte) string {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return ""
	}
	return form.Get("login_or_email")
}

// dropKey is the customer of a request to GamesDrop.
func dropKey(body []byte) string {
	var b struct {
		Customer struct{ Email, GameUserID string }
	}
	if json.Unmarshal(body, &b) != nil {
		return ""
	}
	if b.Customer.Email != "" {
		return b.Customer.Email
	}
	return b.Customer.GameUserID
}

// skinsKey is the method and the customer of a request to SkinsBack, which has
// one address for everything.
func skinsKey(body []byte) string {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return ""
	}
	return form.Get("method") + " " + form.Get("steam_id")
}

// exchangerKey is the customer of a request to the exchanger.
func exchangerKey(body []byte) string {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return ""
	}
	return form.Get("account2")
}

// The goods of the demonstration. The provider's own fake has goods that are
// named after what they test; these are named after what people buy.
const (
	offerPUBG      = 3101
	offerDiamonds  = 3102
	offerNintendo  = 3103
	offerMoving    = 3104
	offerCanceled  = 3105
	offerXbox      = 3106
	offerValorant  = 3107
	offerDear      = 3108
	movedPrice     = "19.85"
	telegramName   = "igoryan34"
	telegramID     = "777000123"
	unknownPlayer  = "404404404"
	dollarsAtStart = "2000"
)

// noSuchLogin is a Steam login that BalanceSteam's check refuses.
const noSuchLogin = "no_such_login"

func newBalanceSteam() *balancesteamtest.Shop {
	s := balancesteamtest.NewShop()
	s.Refuse(noSuchLogin)
	return s
}

func newGamesDrop() *gamesdroptest.Shop {
	s := gamesdroptest.NewShop()
	s.SetBalance(dollarsAtStart)
	completed := []string{"COMPLETED"}
	for _, o := range []gamesdroptest.Offer{
		{ID: "3101", Product: "PUBG Mobile", Name: "660 UC", Price: "842.50", Currency: "RUB", ReturnsKey: true, Life: completed},
		{ID: "3102", Product: "Mobile Legends", Name: "706 Diamonds", Price: "12.90", Currency: "USD", NeedsPlayer: true, NeedsServer: true, Life: completed},
		{ID: "3103", Product: "Nintendo eShop", Name: "50 EUR", Price: "52.10", Currency: "EUR", ReturnsKey: true, Life: []string{"SUBMITTED", "PROCESSING", "COMPLETED"}},
		{ID: "3104", Product: "PlayStation Store", Name: "20 USD", Price: "19.20", Currency: "USD", ReturnsKey: true, Life: completed},
		{ID: "3105", Product: "Roblox", Name: "2,000 Robux", Price: "23.75", Currency: "USD", ReturnsKey: true, Life: []string{"SUBMITTED", "CANCELED"}},
		{ID: "3106", Product: "Xbox Game Pass", Name: "3 months", Price: "27.40", Currency: "USD", ReturnsKey: true, Life: completed},
		{ID: "3107", Product: "Valorant", Name: "1,000 VP", Price: "8.99", Currency: "USD", NeedsPlayer: true, Life: completed},
		{ID: "3108", Product: "PlayStation Store", Name: "50 USD", Price: "48.20", Currency: "USD", ReturnsKey: true, Life: completed},
	} {
		o.Count = 1
		s.SetOffer(o)
	}
	s.SetPlayer(unknownPlayer, "", false)
	return s
}

// changePrice lets the price of one offer move right after it was asked for
// the first time: the order that follows names the old one.
func changePrice(s *gamesdroptest.Shop) http.Handler {
	var once sync.Once
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.ServeHTTP(w, r)
		if r.URL.Path == gamesdroptest.FindOnePath && bytes.Contains(body, []byte("3104")) {
			once.Do(func() { s.SetPrice("3104", movedPrice) })
		}
	})
}

// The creates that faults are planned for.
const (
	steamCreate = balancesteamtest.CreatePath
	dropCreate  = gamesdroptest.CreateOrderPath
	skinsCreate = skinsbacktest.Path + " " + skinsbacktest.OpCreate
	bidCreate   = exchangertest.Path + "/" + exchangertest.OpCreateBid
)

// Words of the exchanger's books.
const (
	bidDone        = "success"
	bidCanceled    = "cancel"
	payoutPaid     = 1
	payoutCanceled = 2
	payoutCurrency = "USD"
)
