package exchangertest

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// The methods of payout of a new shop.
const (
	MethodUSDT = "2"
	MethodCard = "1"
)

var payoutMethods = [][2]string{{MethodCard, "Sberbank RUB"}, {MethodUSDT, "Tether TRC20 USDT"}}

func (s *Shop) enterPayout(method, account, amount string, status int) *Payout {
	s.lastPayout++
	p := &Payout{ID: s.lastPayout, MethodID: method, Account: account, Amount: amount, Status: status, At: s.now()}
	s.payouts = append(s.payouts, p)
	return p
}

// partnerPayouts lists payouts, newest first.
func (s *Shop) partnerPayouts(_ context.Context, p params) reply {
	from, to, limit, id := p.number("start_time"), p.number("end_time"), int(p.number("limit")), p.get("id")
	if limit <= 0 {
		limit = 100
	}
	if s.noPartners {
		return bad("1", noProgram)
	}
	var list []string
	for i := len(s.payouts) - 1; i >= 0 && len(list) < limit; i-- {
		v := s.payouts[i]
		at := v.At.Add(s.clockOffset)
		if from > 0 && at.Unix() < from || to > 0 && at.Unix() > to || id != "" && decimalID(v.ID) != id {
			continue
		}
		list = append(list, (&object{}).texts("id", decimalID(v.ID), "time", decimalID(at.Unix()), "date", at.UTC().Format("02.01.2006 15:04"),
			"method_id", v.MethodID, "account", v.Account, "pay_amount", v.Amount, "pay_currency_code", "USDT",
			"original_amount", v.Amount, "original_currency_code", "USD", "status", strconv.Itoa(v.Status)).String())
	}
	return fine(items(list))
}

func (s *Shop) partnerLinks(_ context.Context, p params) reply {
	for _, name := range []string{"start_time", "end_time", "ip", "limit"} {
		p.get(name)
	}
	at := s.now().Add(s.clockOffset)
	return fine(items([]string{(&object{}).texts("time", decimalID(at.Unix()), "date", at.UTC().Format("02.01.2006 15:04"), "browser", "Firefox",
		"ip", "127.0.0.1", "referrer", "https://example.com/", "user_hash", "", "query_string", "rid=7").String()}))
}

// partnerExchanges lists the bids that name a partner.
func (s *Shop) partnerExchanges(_ context.Context, p params) reply {
	history := p.get("status_history") == "1"
	limit := p.number("limit")
	var list []string
	for _, b := range s.listed(p) {
		if b.PartnerID == "" || limit > 0 && int64(len(list)) >= limit {
			continue
		}
		line := s.line(b, history)
		list = append(list, line[:len(line)-1]+`,"accrued":"`+bit(b.Status == "success")+`","partner_reward":"0.5"}`)
	}
	return fine(items(list))
}

const noProgram = "no active partner program"

func (s *Shop) partnerInfo(context.Context, params) reply {
	if s.noPartners {
		return bad("1", noProgram)
	}
	var list []string
	for _, m := range payoutMethods {
		list = append(list, (&object{}).texts("id", m[0], "title", m[1], "comission", "<i>0</i>", "amount", s.balance.Fixed(2)).String())
	}
	return fine((&object{}).texts("partner_id", "7", "balance", s.balance.Fixed(2), "min_payout", s.minPayout.String()).raw("items", array(list)).String())
}

func (s *Shop) addPayout(ctx context.Context, p params) reply {
	method, account := p.get("method_id"), strings.TrimSpace(p.get("account"))
	known := slices.ContainsFunc(payoutMethods, func(m [2]string) bool { return m[0] == method })
	switch {
	case p.strange() != "":
		return reply{}
	case s.noPartners:
		return gate("1", noProgram)
	case s.payoutsOff != nil:
		return gate("1", *s.payoutsOff)
	case !known:
		return gate("1", "Error! No such method")
	case account == "":
		return gate("1", "Error! Invalid wallet account")
	case s.balance.Sign() <= 0, s.balance.Cmp(s.minPayout) < 0:
		return gate("1", "Error! Less than the least payout")
	}
	made := s.enterPayout(method, account, s.balance.Fixed(2), 0)
	s.balance = money.Decimal{}
	s.door.Commit(ctx, providertest.Entry{OrderKey: account, ID: decimalID(made.ID), Amount: made.Amount, Currency: "USD"})
	return fine((&object{}).raw("payout_id", decimalID(made.ID)).String())
}
