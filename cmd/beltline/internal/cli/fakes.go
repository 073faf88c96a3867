package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/beltline-io/beltline/cmd/beltline/internal/fleet"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// fakesCommand is `fakes`.
type fakesCommand struct {
	Listen string        `name:"listen" default:"127.0.0.1:8101" help:"Where the first shop listens, on this machine; the others take the ports after it. Port 0 takes free ones."`
	Pace   time.Duration `name:"pace" default:"2s" help:"How long a customer or the staff of a shop takes to act."`
}

// Help is shown below the flags.
func (*fakesCommand) Help() string {
	return "Serves balancesteam, skinsback, gamesdrop and exchanger, in this order of ports, as the tests know them: strict, with books of their own, and with people in them. " +
		"Customers pay for their deposits, the exchanger sends once a payment was confirmed and pays out what its partner has earned, all after --pace. " +
		"Standard error says what workers must be told to buy there; standard output gets a line of JSON for everything that was bought or undone. " +
		"Nothing is kept when it ends, so give it a NATS of its own: an order must never meet a shop that has forgotten it, or a real one that never heard of it.\n\n" +
		"Exit codes: 0 ended by a signal, 1 could not listen, 2 wrong usage.\n\n" +
		"Examples:\n\n  beltline fakes\n  beltline fakes --listen 127.0.0.1:0 --pace 100ms"
}

// Check applies the rules of the command.
func (c *fakesCommand) Check(f *app.Faults) {
	if err := fleet.CheckAddress(c.Listen); err != nil {
		f.Add("--listen", "%s", err)
	}
	if c.Pace <= 0 {
		f.Add("--pace", "must be longer than 0")
	}
}

// fakeShop is one shop, and how a worker is told where it is.
type fakeShop struct {
	name    messages.Provider
	handler http.Handler
	tells   func(url string) string
}

func (c *fakesCommand) run(ctx context.Context, s *session) int {
	books := &books{out: s.Stdout}
	of := func(p messages.Provider) *providertest.Book { return providertest.NewBook(&pages{books, p}) }
	skins := skinsbacktest.NewShop(skinsbacktest.WithBook(of(messages.SkinsBack)),
		skinsbacktest.WithWebhooks(skinsbacktest.Form, ""),
		skinsbacktest.WithLife(skinsbacktest.Step{After: c.Pace, Status: skinsbacktest.Success, Amount: "10.00"}))
	defer skins.Close()
	bids := exchangertest.NewShop(exchangertest.WithBook(of(messages.Exchanger)))
	shops := []fakeShop{
		{messages.BalanceSteam, balancesteamtest.NewShop(balancesteamtest.WithBook(of(messages.BalanceSteam))), func(url string) string {
			return "BALANCESTEAM_URL=" + url + " BALANCESTEAM_API_KEY=" + balancesteamtest.APIKey
		}},
		{messages.SkinsBack, skins, func(url string) string {
			return "SKINSBACK_URL=" + url + skinsbacktest.Path + " SKINSBACK_CLIENT_ID=" + skinsbacktest.ClientID +
				" SKINSBACK_CLIENT_SECRET=" + skinsbacktest.ClientSecret
		}},
		{messages.GamesDrop, gamesdroptest.NewShop(gamesdroptest.WithBook(of(messages.GamesDrop))), func(url string) string {
			return "GAMESDROP_URL=" + url + " GAMESDROP_TELEGRAM_URL=" + url + gamesdroptest.TelegramPath + " GAMESDROP_TOKEN=" + gamesdroptest.Token
		}},
		{messages.Exchanger, bids, func(url string) string {
			return "EXCHANGER_URL=" + url + exchangertest.Path + " EXCHANGER_API_LOGIN=" + exchangertest.Login + " EXCHANGER_API_KEY=" + exchangertest.Key
		}},
	}
	var listeners []net.Listener
	defer func() {
		for _, l := range listeners {
			_ = l.Close()
		}
	}()
	for i := range shops {
		l, err := c.listen(ctx, i)
		if err != nil {
			return s.failed(err)
		}
		listeners = append(listeners, l)
	}
	failed := make(chan error, len(shops))
	for i, shop := range shops {
		server := &http.Server{Handler: shop.handler, ReadHeaderTimeout: 5 * time.Second}
		defer func() { _ = server.Close() }()
		go func() { failed <- server.Serve(listeners[i]) }()
		s.say("%-12s %s", shop.name, shop.tells("http://"+listeners[i].Addr().String()))
	}
	return s.staff(ctx, c.Pace, failed, skins, bids)
}

// listen opens the port of the i-th shop.
func (c *fakesCommand) listen(ctx context.Context, i int) (net.Listener, error) {
	host, text, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, err
	}
	if port > 0 {
		port += i
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
}

// What the staff of the exchanger does.
const (
	bidPaid       = "payed" // the script's own word
	bidSent       = "success"
	payoutWaiting = 0
	payoutPaid    = 1
)

// staff lets people act until the command is ended or a shop cannot serve.
func (s *session) staff(ctx context.Context, pace time.Duration, failed <-chan error, skins *skinsbacktest.Shop, bids *exchangertest.Shop) int {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return app.ExitOK
		case err := <-failed:
			return s.failed(fmt.Errorf("a shop has closed: %w", err))
		case <-ticker.C:
		}
		skins.Advance()
		for _, b := range bids.Bids() {
			if b.Status == bidPaid {
				bids.SetStatus(b.ID, bidSent)
			}
		}
		for _, p := range bids.Payouts() {
			if p.Status == payoutWaiting {
				bids.SetPayoutStatus(p.ID, payoutPaid)
			}
		}
	}
}

// books puts what the shops write down on standard output, whole lines only.
type books struct {
	mu  sync.Mutex
	out io.Writer
}

// pages are the part of the books that is one shop's.
type pages struct {
	*books
	shop messages.Provider
}

// Write takes an entry. Requests and answers are left out: every poll is one.
func (p *pages) Write(line []byte) (int, error) {
	var entry providertest.Entry
	if err := json.Unmarshal(line, &entry); err != nil {
		return 0, err
	}
	if entry.Phase == providertest.Received || entry.Phase == providertest.Answered {
		return len(line), nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := fmt.Fprintf(p.out, "{\"shop\":%q,%s\n", p.shop, bytes.TrimPrefix(bytes.TrimSpace(line), []byte("{"))); err != nil {
		return 0, err
	}
	return len(line), nil
}
