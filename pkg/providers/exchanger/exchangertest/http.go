package exchangertest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Path is where the methods are.
const Path = "/api/userapi/v1"

// The methods, which are their names in faults and in the book.
const (
	OpTest             = "test"
	OpCurrencies       = "get_direction_currencies"
	OpDirections       = "get_directions"
	OpDirection        = "get_direction"
	OpCalc             = "get_calc"
	OpExchanges        = "get_exchanges"
	OpCreateBid        = "create_bid"
	OpCancelBid        = "cancel_bid"
	OpPayBid           = "pay_bid"
	OpBidInfo          = "bid_info"
	OpPartnerInfo      = "get_partner_info"
	OpPartnerLinks     = "get_partner_links"
	OpPartnerExchanges = "get_partner_exchanges"
	OpPartnerPayouts   = "get_partner_payouts"
	OpAddPayout        = "add_partner_payout"
)

type method func(*Shop, context.Context, params) reply

var methods = map[string]method{
	OpTest: (*Shop).test, OpCurrencies: (*Shop).currencies, OpDirections: (*Shop).listDirections, OpDirection: (*Shop).showDirection,
	OpCalc: (*Shop).calc, OpExchanges: (*Shop).exchanges, OpCreateBid: (*Shop).createBid, OpCancelBid: (*Shop).cancelBid,
	OpPayBid: (*Shop).payBid, OpBidInfo: (*Shop).bidInfo, OpPartnerInfo: (*Shop).partnerInfo, OpPartnerLinks: (*Shop).partnerLinks,
	OpPartnerExchanges: (*Shop).partnerExchanges, OpPartnerPayouts: (*Shop).partnerPayouts, OpAddPayout: (*Shop).addPayout,
}

// op names the method of a request; a path of no method is its own name.
func op(r *http.Request) string {
	name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, Path+"/"), "/")
	if methods[name] == nil {
		return r.URL.Path
	}
	return name
}

// ServeHTTP answers as the script does.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.door.ServeHTTP(w, r) }

// serve is what lies behind the door.
func (s *Shop) serve(w http.ResponseWriter, r *http.Request) {
	name := op(r)
	m := methods[name]
	switch {
	case m == nil:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodPost:
		http.Error(w, "only POST", http.StatusMethodNotAllowed)
		return
	}
	p := readParams(r)
	answer, passed := s.gate(name, r)
	if passed {
		s.mu.Lock()
		s.advance()
		answer = m(s, r.Context(), p)
		s.mu.Unlock()
		if strange := p.strange(); strange != "" {
			http.Error(w, "no parameter of "+name+", or twice: "+strange, http.StatusBadRequest)
			return
		}
	}
	if name == OpCreateBid && s.createDelay > 0 {
		s.wait(s.createDelay)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = io.WriteString(w, answer.String()) // always HTTP 200
}

func (s *Shop) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.life.Done():
	}
}

// siteClosed is what a site says of its maintenance: a text of its owner's.
const siteClosed = "<p>We change the rates. Back at <b>12:00</b></p>"

// gate is passed before any method. It writes its errors as numbers.
func (s *Shop) gate(name string, r *http.Request) (reply, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lists := []string{OpTest, OpCurrencies, OpDirections, OpPartnerInfo, OpPartnerLinks, OpPartnerExchanges, OpPartnerPayouts}
	switch {
	case s.apiOff, r.Header.Get("API-LOGIN") != s.login, r.Header.Get("API-KEY") != s.key:
		return gate("1", "Api disabled"), false
	case s.ipBlocked:
		return gate("2", "IP blocked"), false
	case s.disabled[name]:
		return gate("3", "Method not supported"), false
	case s.maintenance && slices.Contains(lists, name):
		return gate("1", "Maintenance"), false
	case s.maintenance:
		return bad("2", siteClosed), false
	}
	return reply{}, true
}

func (s *Shop) test(context.Context, params) reply {
	return fine((&object{}).text("ip", "127.0.0.1").raw("user_id", "7").texts("locale", "en_US", "partner_id", "0").String())
}

func (s *Shop) currencies(_ context.Context, p params) reply {
	lists := [2][]string{}
	seen := map[string]bool{}
	for _, d := range s.visible(p) {
		for side, c := range [2][2]string{{d.GiveID, d.GiveTitle}, {d.GetID, d.GetTitle}} {
			if key := fmt.Sprint(side, c[0]); !seen[key] {
				seen[key] = true
				lists[side] = append(lists[side], (&object{}).texts("id", c[0], "title", c[1], "logo", "https://exchanger.example/"+c[0]+".svg").String())
			}
		}
	}
	return fine((&object{}).raw("give", array(lists[0])).raw("get", array(lists[1])).String())
}

func (s *Shop) listDirections(_ context.Context, p params) reply {
	list := []string{}
	for _, d := range s.visible(p) {
		list = append(list, (&object{}).texts("direction_id", d.ID,
			"currency_give_id", d.GiveID, "currency_give_title", d.GiveTitle, "currency_give_logo", "",
			"currency_get_id", d.GetID, "currency_get_title", d.GetTitle, "currency_get_logo", "").String())
	}
	return fine(array(list))
}

func (s *Shop) visible(p params) []*Direction {
	give, get := p.get("currency_id_give"), p.get("currency_id_get")
	var out []*Direction
	for _, d := range s.directions {
		if !d.Hidden && (give == "" || give == d.GiveID) && (get == "" || get == d.GetID) {
			out = append(out, d)
		}
	}
	return out
}

// sumsOf writes what get_direction and get_calc share.
func sumsOf(o *object, d *Direction, v sums) *object {
	return o.texts("currency_code_give", d.GiveCode, "currency_code_get", d.GetCode, "reserve", d.Reserve,
		"course_give", d.CourseGive, "course_get", d.CourseGet, "sum_give", v.give, "sum_give_com", v.giveCom, "sum_get", v.get, "sum_get_com", v.getCom,
		"com_give", "<span>"+firstOf(d.GiveFee, "0")+"</span>", "com_get", "<span>"+firstOf(d.GetFee, "0")+"</span>",
		"min_give", d.MinGive, "max_give", d.MaxGive, "min_get", d.MinGet, "max_get", d.MaxGet)
}

func (s *Shop) showDirection(_ context.Context, p params) reply {
	d := s.direction(p.get("direction_id"))
	if d == nil || d.Hidden {
		return good("[]") // no error and no data
	}
	start := firstOf(strings.ReplaceAll(d.MinGive, "no", ""), "1")
	o := sumsOf((&object{}).texts("id", d.ID, "url", "https://exchanger.example/exchange_"+d.ID+"/"), d, d.calc(start, 1))
	o.raw("info", (&object{}).texts("timeline_text", "<p>Step by step</p>", "frozen_text", "", "before_button_text", "").String())
	return good(o.raw("give_fields", s.fields(d.GiveFields)).raw("get_fields", s.fields(d.GetFields)).raw("dir_fields", s.fields(d.Extra)).String())
}

func (s *Shop) fields(list []Field) string {
	var out []string
	named := &object{}
	for i, f := range list {
		v := (&object{}).texts("name", f.Name, "type", f.Type, "label", f.Label, "req", bit(f.Required), "tooltip", "").
			raw("options", optionsOf(f)).raw("cd", bit(f.CD)).String()
		out = append(out, v)
		named.raw(fmt.Sprint(i*3), v)
	}
	if s.asObjects && len(list) > 0 {
		return named.String()
	}
	return array(out)
}

// optionsOf writes options as PHP does an array: without keys if these are just
// the places, else as an object.
func optionsOf(f Field) string {
	byKey, labels, places := &object{}, []string{}, true
	for i, c := range f.Options {
		byKey.text(c.Key, c.Label)
		labels = append(labels, quote(c.Label))
		places = places && c.Key == strconv.Itoa(i)
	}
	if places {
		return array(labels)
	}
	return byKey.String()
}

func (s *Shop) calc(_ context.Context, p params) reply {
	d, amount, act := s.direction(p.get("direction_id")), p.get("calc_amount"), action(p.get("calc_action"))
	cd := decodeCD(p.get("cd"))
	switch {
	case d == nil || d.Hidden:
		return bad("1", "Direction not found")
	case !positive(amount):
		amount = firstOf(strings.ReplaceAll(d.MinGive, "no", ""), "1")
	}
	for _, f := range d.fields() {
		if f.CD && len(f.Options) > 0 && !f.takes(cd[f.Name]) {
			return bad("1", "Direction not found") // no rate for such a value
		}
	}
	v := d.calc(amount, act)
	return good(sumsOf(&object{}, d, v).text("changed", bit(v.changed)).String())
}

// decodeCD undoes what the vendor's client does: the whole, the query, each value.
func decodeCD(text string) map[string]string {
	out := map[string]string{}
	whole, err := url.QueryUnescape(text)
	if err != nil {
		return out
	}
	query, err := url.ParseQuery(whole)
	if err != nil {
		return out
	}
	for name := range query {
		if value, err := url.QueryUnescape(query.Get(name)); err == nil {
			out[name] = value
		}
	}
	return out
}

func (s *Shop) exchanges(_ context.Context, p params) reply {
	var list []string
	history := p.get("status_history") == "1"
	for _, b := range s.page(s.listed(p), p) {
		list = append(list, s.line(b, history))
	}
	return good(items(list))
}

var customField = regexp.MustCompile(`^cf(give|get)?[0-9]{1,3}$`)

func (s *Shop) createBid(ctx context.Context, p params) reply {
	d := s.direction(p.get("direction_id"))
	b := &bid{callback: p.get("callback_url"), Bid: Bid{
		DirectionID: p.get("direction_id"), PartnerID: p.get("partner_id"), APIID: p.get("api_id"),
		Account1: p.get("account1"), Account2: p.get("account2"), Fields: map[string]string{},
	}}
	b.APIID = b.APIID[:min(maxAPIID, len(b.APIID))]
	amount, act := p.get("calc_amount"), action(p.get("calc_action"))
	for name := range p.values {
		if customField.MatchString(name) {
			b.Fields[name] = p.get(name)
		}
	}
	if p.strange() != "" {
		return reply{} // answered with HTTP 400: nothing is opened
	}
	if d == nil || d.Hidden {
		return invalidBid("Error! The direction does not exist", nil)
	}
	if s.taken(b.APIID) {
		return invalidBid("Error! api id not unique", nil)
	}
	if faults := s.faultsOf(d, b, amount, act); len(faults) > 0 {
		return invalidBid("Error! Check the form<br />Some fields are wrong", faults)
	}
	v := d.calc(amount, act)
	b.direction, b.life, b.AmountGive, b.AmountGet = d, d.Life, v.giveDC, v.getCom
	s.open(b)
	s.commit(ctx, b)
	answer := good(s.show(b, true))
	answer.fields = "[]"
	return answer
}

// faultsOf checks a form as the site does.
func (s *Shop) faultsOf(d *Direction, b *bid, amount string, act int) map[string]string {
	faults := map[string]string{}
	maps.Copy(faults, s.refusing)
	values := maps.Clone(b.Fields)
	values["account1"], values["account2"] = b.Account1, b.Account2
	for _, f := range d.fields() {
		if f.Required && values[f.Name] == "" {
			faults[f.Name] = "<b>" + f.Name + "</b> is required"
		} else if values[f.Name] != "" && len(f.Options) > 0 && !f.takes(values[f.Name]) {
			faults[f.Name] = "<b>" + f.Name + "</b> has no such option"
		}
	}
	switch {
	case !positive(amount):
		faults["sum1"] = "no amount"
	case d.calc(amount, act).changed:
		faults["sum1"] = `min. <span data-val="` + d.MinGive + `">` + d.MinGive + `</span>, max. <span data-val="` + d.MaxGive + `">` + d.MaxGive + `</span>`
	}
	return faults
}

func invalidBid(text string, faults map[string]string) reply {
	r := bad("3", text)
	r.fields = "[]"
	if len(faults) > 0 {
		o := &object{}
		for _, name := range slices.Sorted(maps.Keys(faults)) {
			o.text(name, faults[name])
		}
		r.fields = o.String()
	}
	return r
}

func (s *Shop) bidInfo(_ context.Context, p params) reply {
	b := s.find(p.get("id"), p.get("hash"))
	if b == nil {
		r := bad("1", "No bid exists")
		r.fields = "[]"
		return r
	}
	answer := good(s.show(b, false))
	answer.fields = "[]"
	if s.stepEvery <= 0 {
		s.step(b)
	}
	return answer
}

func (s *Shop) cancelBid(_ context.Context, p params) reply {
	return s.move(s.find("", p.get("hash")), "cancel", func(d *Direction) string { return d.Cancel }, "new", "techpay", "coldnew", "amlwait", "merchwait")
}

func (s *Shop) payBid(_ context.Context, p params) reply {
	return s.move(s.find("", p.get("hash")), "payed", func(d *Direction) string { return d.Pay }, "new", "techpay")
}

// move brings a bid to a status, if its direction and its status allow it. Once
// there, it may be asked again.
func (s *Shop) move(b *bid, to string, way func(*Direction) string, from ...string) reply {
	switch {
	case b == nil || b.Status != to && !slices.Contains(from, b.Status):
		return reply{code: "1", text: "No bid exists", data: `""`}
	case way(b.direction) != "api":
		return reply{code: "2", text: "Action disabled", data: `""`}
	case b.Status != to:
		b.life = nil
		s.enter(b, to)
	}
	return good(quote(b.Status))
}
