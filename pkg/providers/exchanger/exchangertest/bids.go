package exchangertest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

const (
	maxAPIID        = 100
	callbackTimeout = 20 * time.Second
)

var leadingNumber = regexp.MustCompile(`^\s*\+?0*[1-9]`)

// comparable reports whether PHP takes an api_id for a number above zero. Only
// then it is compared with those there are.
func comparable(apiID string) bool { return leadingNumber.MatchString(apiID) }

// taken reports whether an api_id was used before, in whatever status.
func (s *Shop) taken(apiID string) bool {
	return comparable(apiID) && slices.ContainsFunc(s.bids, func(b *bid) bool { return b.APIID == apiID })
}

// open enters a new bid into the books.
func (s *Shop) open(b *bid) *bid {
	s.lastBid++
	sum := sha256.Sum256([]byte("bid " + decimalID(s.lastBid)))
	b.ID, b.Hash, b.At = s.lastBid, hex.EncodeToString(sum[:16]), s.now()
	if b.AmountGive == "" {
		amounts := b.direction.calc("3000", 1)
		b.AmountGive, b.AmountGet = amounts.giveDC, amounts.getCom
	}
	b.CurrencyGive, b.CurrencyGet = b.direction.GiveCode, b.direction.GetCode
	b.stepAt = b.At
	s.bids = append(s.bids, b)
	callback := b.callback
	b.callback = "" // it is stored only after the bid: the first status is not told
	s.enter(b, b.life[0])
	b.callback = callback
	return b
}

// commit writes the bid down with whose it is, by what the key does not choose.
func (s *Shop) commit(ctx context.Context, b *bid) {
	s.door.Commit(ctx, providertest.Entry{
		OrderKey: firstOf(b.Account2, b.Account1, b.Fields["cf6"]), Reference: b.APIID, ID: decimalID(b.ID),
		Amount: b.AmountGive, Currency: b.direction.GiveCode,
	})
}

// enter gives a bid its status and calls back, once and without a signature.
func (s *Shop) enter(b *bid, status string) {
	b.Status, b.ChangedAt = status, s.now()
	b.History, b.times = append(b.History, status), append(b.times, b.ChangedAt)
	if b.callback == "" || s.life.Err() != nil || status == "archived" || status == "realdelete" {
		return
	}
	target, id := b.callback, decimalID(b.ID)
	s.callbacks.Go(func() { s.call(target, id, status) })
}

// call makes the one attempt of a callback. Redirects are not followed.
func (s *Shop) call(target, id, status string) {
	ctx, cancel := context.WithTimeout(s.life, callbackTimeout)
	defer cancel()
	e := providertest.Entry{Phase: Called, Op: "callback", ID: id, Reference: status}
	defer func() { s.Book().Append(e) }()
	form := url.Values{"bid_id": {id}, "status": {status}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form))
	if err != nil {
		return
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return
	}
	_ = answer.Body.Close()
	e.Status = answer.StatusCode
}

// step moves a bid on by one status of its life.
func (s *Shop) step(b *bid) {
	if len(b.life) > 1 {
		b.life = b.life[1:]
		s.enter(b, b.life[0])
	}
}

// advance moves all bids to where they are by now, where time moves them.
func (s *Shop) advance() {
	if s.stepEvery <= 0 {
		return
	}
	for _, b := range s.bids {
		for len(b.life) > 1 && !s.now().Before(b.stepAt.Add(s.stepEvery)) {
			b.stepAt = b.stepAt.Add(s.stepEvery)
			s.step(b)
		}
	}
}

// find returns a bid that the site tells of: not one whose direction has been
// taken away from the API since, though it exists.
func (s *Shop) find(id, hash string) *bid {
	for _, b := range s.bids {
		if (hash != "" && b.Hash == hash) || (hash == "" && id != "" && decimalID(b.ID) == id) {
			if d := s.direction(b.DirectionID); d == nil || d.Hidden {
				return nil
			}
			return b
		}
	}
	return nil
}

// show writes a bid as create_bid and bid_info do.
func (s *Shop) show(b *bid, idAsNumber bool) string {
	id := quote(decimalID(b.ID))
	if idAsNumber {
		id = decimalID(b.ID)
	}
	d := b.direction
	o := (&object{}).text("url", "https://exchanger.example/hst_"+b.Hash+"/").raw("id", id).texts(
		"hash", b.Hash, "status", b.Status, "status_title", "Status <b>"+b.Status+"</b>", "psys_give", d.GiveTitle, "psys_get", d.GetTitle,
		"currency_code_give", d.GiveCode, "currency_code_get", d.GetCode, "amount_give", b.AmountGive, "amount_get", b.AmountGet,
		"course_give", d.CourseGive, "course_get", d.CourseGet)
	return o.raw("api_actions", s.actions(b)).String()
}

func (s *Shop) actions(b *bid) string {
	d := b.direction
	if !slices.Contains([]string{"new", "techpay", "coldnew"}, b.Status) {
		return (&object{}).texts("type", "finished", "cancel", "disabled", "pay", "disabled", "instruction", "", "pay_amount", b.AmountGive).String()
	}
	o := (&object{}).texts("type", d.Type, "cancel", d.Cancel, "pay", d.Pay, "pay_amount", b.AmountGive,
		"instruction", "<p>Pay <strong>"+b.AmountGive+"&nbsp;"+d.GiveCode+"</strong><br />for bid "+decimalID(b.ID)+" &amp; wait.</p><script>track()</script>")
	if d.Address != "" {
		o.texts("address", d.Address, "dest_tag", d.DestTag)
	}
	return o.String()
}

// userHash is what the site knows the customer of every bid by.
const userHash = "0123456789abcdef0123456789abcdef"

// line writes a bid as get_exchanges does.
func (s *Shop) line(b *bid, history bool) string {
	d, at := b.direction, b.ChangedAt.Add(s.clockOffset)
	o := (&object{}).text("id", decimalID(b.ID))
	if !s.withoutAPI {
		o.text("api_id", b.APIID)
	}
	o.texts("hash", b.Hash, "time", decimalID(at.Unix()), "date", at.UTC().Format("02.01.2006 15:04"), "psys_give", d.GiveTitle, "psys_get", d.GetTitle,
		"currency_code_give", d.GiveCode, "currency_code_get", d.GetCode, "course_give", d.CourseGive, "course_get", d.CourseGet,
		"amount_give", b.AmountGive, "amount_get", b.AmountGet, "exchange_success", bit(b.Status == "success"),
		"user_hash", userHash, "user_ip", "127.0.0.1", "status", b.Status)
	if history {
		var list []string
		for i, status := range b.History {
			t := b.times[i].Add(s.clockOffset)
			list = append(list, (&object{}).texts("time", decimalID(t.Unix()), "date", t.UTC().Format("02.01.2006 15:04"), "status", status).String())
		}
		o.raw("statuses", array(list))
	}
	return o.String()
}

// listed returns the bids of get_exchanges, newest change first.
func (s *Shop) listed(p params) []*bid {
	from, to, id, wrongID := p.number("start_time"), p.number("end_time"), p.get("id"), p.get("api_id")
	ip := p.get("ip")
	var out []*bid
	for _, b := range s.bids {
		at := b.ChangedAt.Add(s.clockOffset).Unix()
		switch {
		case s.now().Before(b.At.Add(s.listingLag)),
			from > 0 && at < from, to > 0 && at > to, id != "" && decimalID(b.ID) != id,
			// The script compares the api_id asked for with the bid's own id.
			wrongID != "" && decimalID(b.ID) != wrongID,
			ip != "" && ip != "127.0.0.1":
		default:
			out = append(out, b)
		}
	}
	slices.SortStableFunc(out, func(a, b *bid) int {
		if c := b.ChangedAt.Compare(a.ChangedAt); c != 0 {
			return c
		}
		return int(b.ID - a.ID)
	})
	return out
}

func (s *Shop) page(list []*bid, p params) []*bid {
	limit, offset := int(p.number("limit")), max(0, int(p.number("offset")))
	if limit <= 0 {
		limit = 100
	}
	list = list[min(offset, len(list)):]
	return list[:min(limit, s.pageLimit, len(list))]
}

// action reads a calc_action.
func action(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 4 {
		return 1 // what is no action is the first one, without a word
	}
	return n
}
