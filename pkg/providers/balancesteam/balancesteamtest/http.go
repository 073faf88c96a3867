package balancesteamtest

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/beltline-io/beltline/pkg/money"
)

// The paths of the shop.
const (
	BalanceV1Path = "/api/partner/balance"
	CheckV1Path   = "/api/partner/check"
	CreateV1Path  = "/api/partner/create"
	BalancePath   = "/api/v2/partner/balance"
	CheckPath     = "/api/v2/partner/check"
	CreatePath    = "/api/v2/partner/create"
)

// The names of the endpoints, for faults and in the book.
const (
	OpBalanceV1     = "v1_balance"
	OpCheckV1       = "v1_check"
	OpCreateV1      = "v1_create"
	OpBalance       = "balance"
	OpCheckLogin    = "check_login"
	OpGiftCardPrice = "gift_card_price"
	OpTopup         = "create_topup"
	OpGiftCard      = "create_gift_card"
)

const balanceOver = "balance over"

// endpoint names the endpoint of a request; a path of no endpoint is its own name.
func endpoint(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	steam := form.Get("service_id") == ServiceSteam
	switch r.URL.Path {
	case BalanceV1Path:
		return OpBalanceV1
	case CheckV1Path:
		return OpCheckV1
	case CreateV1Path:
		return OpCreateV1
	case BalancePath:
		return OpBalance
	case CheckPath:
		if steam {
			return OpCheckLogin
		}
		return OpGiftCardPrice
	case CreatePath:
		if steam {
			return OpTopup
		}
		return OpGiftCard
	default:
		return r.URL.Path
	}
}

// ServeHTTP answers as the document says.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.door.ServeHTTP(w, r) }

// serve is what lies behind the door.
func (s *Shop) serve(w http.ResponseWriter, r *http.Request) {
	handle := map[string]func(http.ResponseWriter, *http.Request, form){
		BalanceV1Path: s.serveBalance, BalancePath: s.serveBalance, CheckV1Path: s.checkV1, CheckPath: s.check,
		CreateV1Path: s.createV1, CreatePath: s.create,
	}[r.URL.Path]
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	body, err := io.ReadAll(r.Body)
	values, formErr := url.ParseQuery(string(body))
	s.mu.Lock()
	keys := append([]string{s.key}, s.stillAccepted...)
	s.mu.Unlock()
	switch {
	case handle == nil:
		http.Error(w, "<html>404 Not Found</html>", http.StatusNotFound)
	case r.Method != http.MethodPost:
		http.Error(w, "<html>405 Method Not Allowed</html>", http.StatusMethodNotAllowed)
	case kind != "application/x-www-form-urlencoded", err != nil, formErr != nil, r.URL.RawQuery != "":
		s.refuseWith(w, "message", "bad request")
	case len(values["apikey"]) != 1 || !slices.Contains(keys, values.Get("apikey")):
		s.refuseWith(w, "message", "apikey not a valid")
	default:
		handle(w, r, form(values))
	}
}

// form is the fields of a request.
type form url.Values

// only reports what is wrong with the names: each of them once, none besides.
func (f form) only(names ...string) string {
	for name, values := range f {
		if name != "apikey" && !slices.Contains(names, name) {
			return "unknown field " + name
		}
		if len(values) != 1 {
			return "field " + name + " is given twice"
		}
	}
	for _, name := range names {
		if url.Values(f).Get(name) == "" {
			return "field " + name + " is required"
		}
	}
	return ""
}

func (f form) get(name string) string { return url.Values(f).Get(name) }

// amount reads a plain positive decimal of at most two places.
func (f form) amount() (money.Decimal, string) {
	d, err := money.ParseDecimal(f.get("amount"))
	if err != nil || d.Sign() <= 0 || d.Places() > 2 {
		return d, "amount is not valid"
	}
	return d, ""
}

func (s *Shop) serveBalance(w http.ResponseWriter, _ *http.Request, f form) {
	if fault := f.only(); fault != "" {
		s.refuseWith(w, "message", fault)
		return
	}
	s.agree(w, `"balance":`+s.literal(s.Balance().String()))
}

func (s *Shop) checkV1(w http.ResponseWriter, _ *http.Request, f form) {
	if fault := f.only("steam_login"); fault != "" {
		s.refuseWith(w, "message", fault)
		return
	}
	s.checkLogin(w, f.get("steam_login"))
}

func (s *Shop) check(w http.ResponseWriter, _ *http.Request, f form) {
	if fault := f.only("login_or_email", "service_id"); fault != "" {
		s.refuseWith(w, "message", fault)
		return
	}
	if f.get("service_id") == ServiceSteam {
		s.checkLogin(w, f.get("login_or_email"))
		return
	}
	s.mu.Lock()
	price, sold := s.prices[f.get("service_id")]
	s.mu.Unlock()
	if !sold {
		s.refuseWith(w, "message", "service not available")
		return
	}
	s.agree(w, `"price":`+s.literal(price.String()))
}

func (s *Shop) checkLogin(w http.ResponseWriter, login string) {
	s.mu.Lock()
	refused := s.refused[login]
	s.mu.Unlock()
	s.agree(w, `"status":`+s.literal(strconv.FormatBool(!refused)))
}

func (s *Shop) createV1(w http.ResponseWriter, r *http.Request, f form) {
	fault := f.only("steam_login", "amount")
	amount, bad := f.amount()
	if fault == "" {
		fault = bad
	}
	s.finish(w, r, fault, Purchase{Service: ServiceSteam, LoginOrEmail: f.get("steam_login"), Amount: amount})
}

func (s *Shop) create(w http.ResponseWriter, r *http.Request, f form) {
	p := Purchase{Service: f.get("service_id"), LoginOrEmail: f.get("login_or_email")}
	if p.Service != ServiceSteam {
		fault := f.only("login_or_email", "service_id")
		if !strings.Contains(p.LoginOrEmail, "@") {
			fault = "login_or_email is not an e-mail"
		}
		s.finish(w, r, fault, p)
		return
	}
	fault := f.only("login_or_email", "service_id", "amount")
	var bad string
	if p.Amount, bad = f.amount(); fault == "" {
		fault = bad
	}
	s.finish(w, r, fault, p)
}

// finish buys unless the request is faulty. A login that its check refuses is
// refused here as well.
func (s *Shop) finish(w http.ResponseWriter, r *http.Request, fault string, p Purchase) {
	s.mu.Lock()
	if fault == "" && s.refused[p.LoginOrEmail] {
		fault = "login is not valid"
	}
	s.mu.Unlock()
	if fault != "" {
		s.refuseWith(w, "message", fault)
		return
	}
	id, refusal := s.buy(r.Context(), p)
	switch refusal {
	case "":
		s.agree(w, `"id":`+s.literal(id))
	case balanceOver:
		s.refuseWith(w, "status", refusal)
	default:
		s.refuseWith(w, "message", refusal)
	}
}

func (s *Shop) literal(word string) string {
	if s.asStrings {
		return strconv.Quote(word)
	}
	return word
}

func (s *Shop) agree(w http.ResponseWriter, rest string) {
	s.answer(w, http.StatusOK, `{"error":`+s.literal("false")+`,`+rest+`}`)
}

func (s *Shop) refuseWith(w http.ResponseWriter, field, why string) {
	quoted, err := json.Marshal(why) // it may repeat what the client sent
	if err != nil {
		quoted = []byte(`"bad request"`)
	}
	s.answer(w, s.errorStatus, `{"error":`+s.literal("true")+`,"`+field+`":`+string(quoted)+`}`)
}

func (s *Shop) answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}
