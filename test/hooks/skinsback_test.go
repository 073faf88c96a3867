package hooks_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

const failReason = "trade_timeout"

// deposits is SkinsBack as a script sees it.
type deposits struct {
	t    *testing.T
	shop *skinsbacktest.Shop
}

func steamID(s script) string { return fmt.Sprintf("7656119%010d", s.n) }

// amount differs from order to order, so that one cannot pass for another.
func amount(s script) string { return fmt.Sprintf("%d.%d%d", 10+s.n/10, s.n%10, s.n%9+1) }

func (d deposits) order(s script) string {
	return fmt.Sprintf(`{"v":1,"id":%q,"provider":"skinsback","kind":"deposit","params":{"steam_id":%q,"trade_token":"i1ArBZey","currency":"USD"}}`,
		s.id, steamID(s))
}

func (d deposits) advance(first event, s script, status string) {
	ref := first.text("provider_ref.reference")
	var err error
	switch status {
	case skinsbacktest.InHold:
		err = d.shop.Hold(ref, amount(s))
	case skinsbacktest.Success:
		if s.path[0] == status {
			err = d.shop.Pay(ref, amount(s))
		} else {
			err = d.shop.Release(ref)
		}
	case skinsbacktest.Failed:
		err = d.shop.Fail(ref, failReason)
	default:
		err = d.shop.SetStatus(ref, status)
	}
	if err != nil {
		d.t.Error(err)
	}
}

func (d deposits) genuine(first event) hook {
	return d.hook(d.shop.Webhook(first.text("provider_ref.reference")))
}

func (d deposits) hook(w skinsbacktest.Webhook, err error) hook {
	if err != nil {
		d.t.Error(err)
	}
	return hook{w.URL, w.ContentType, w.Body}
}

// sign is the signature's place in a form.
var sign = regexp.MustCompile(`&sign=[0-9a-f]+`)

func (d deposits) forged(first event, s script) hook {
	ref, lie := first.text("provider_ref.reference"), skinsbacktest.Success
	if s.path[len(s.path)-1] == lie {
		lie = skinsbacktest.Failed
	}
	if strings.Contains(strings.Join(s.path[:len(s.path)-1], " "), lie) {
		lie = skinsbacktest.Failed
	}
	switch s.forgery % 4 {
	case 0:
		return d.hook(d.shop.Forge(ref, lie))
	case 1:
		return d.hook(d.shop.Tamper(ref, lie))
	case 2:
		h := d.genuine(first)
		h.body = sign.ReplaceAllString(h.body, "")
		return h
	default:
		return wrongToken(d.genuine(first))
	}
}

// wrongToken changes the last character of the address, which is the token's.
func wrongToken(h hook) hook {
	other := "a"
	if strings.HasSuffix(h.url, other) {
		other = "b"
	}
	h.url = h.url[:len(h.url)-1] + other
	return h
}

func (d deposits) shows(e event, s script, status string) bool {
	state, told := e.text("state"), e.text("evidence.deposit_status")
	switch status {
	case skinsbacktest.Success:
		return state == "succeeded" && told == status && e.text("deliverable.amount.amount") == amount(s) &&
			e.text("deliverable.amount.currency") == "USD"
	case skinsbacktest.Failed:
		return state == "failed" && told == status && e.text("error.code") == failReason
	case skinsbacktest.HoldReturned:
		// Taken back is what was on hold or had succeeded; where no lookup ever
		// saw that, upstream was told of no money, and the deposit has failed.
		return (state == "reversed" || state == "failed") && told == status && e.text("error.code") == status
	default:
		return state == "on_hold" && told == status
	}
}

func (d deposits) creates(s script) int { return len(d.shop.DepositsOf(steamID(s))) }

// startSkinsBack starts a pipeline for deposits. change is laid over the
// settings, front stands before the shop unless it is nil.
func startSkinsBack(t *testing.T, replicas int, change map[string]string, front func(http.Handler) http.Handler) (*rig, deposits) {
	t.Helper()
	shop := skinsbacktest.NewShop()
	t.Cleanup(shop.Close)
	var site http.Handler = shop
	if front != nil {
		site = front(shop)
	}
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)
	r := newRig(t, programs.SkinsBack, replicas, change, map[string]string{
		"SKINSBACK_URL": server.URL + skinsbacktest.Path, "SKINSBACK_CLIENT_ID": skinsbacktest.ClientID,
		"SKINSBACK_CLIENT_SECRET": skinsbacktest.ClientSecret,
	})
	return r, deposits{t, shop}
}

func TestSkinsBack_EveryPermutationEndsAsTheBooksSay(t *testing.T) {
	t.Parallel()
	r, d := startSkinsBack(t, 8, nil, nil)
	r.play(d, scripts(
		[]string{skinsbacktest.InHold, skinsbacktest.HoldApproved, skinsbacktest.Success},
		[]string{skinsbacktest.InHold, skinsbacktest.HoldApproved, skinsbacktest.HoldReturned},
		[]string{skinsbacktest.InHold, skinsbacktest.Success, skinsbacktest.HoldReturned},
		[]string{skinsbacktest.InHold, skinsbacktest.Failed},
		[]string{skinsbacktest.Success},
		[]string{skinsbacktest.Failed},
	))
}
