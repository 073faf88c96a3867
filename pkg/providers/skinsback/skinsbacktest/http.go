package skinsbacktest

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Path is the one path of the API.
const Path = "/api.php"

// The names of the methods, for faults and in the journal.
const (
	OpCreate = "create"
	OpStatus = "orderstatus"
)

// op names the method of a request; anything else is its path.
func op(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	values, _ := url.ParseQuery(string(body))
	if method := values.Get("method"); method != "" && r.URL.Path == Path {
		return method
	}
	return r.URL.Path
}

// form is the fields of a request, each given once.
type form map[string]string

// refusal is an error of the document.
type refusal struct {
	code int
	name string
}

// ServeHTTP answers as the document says.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.door.ServeHTTP(w, r) }

// serve is what lies behind the door.
func (s *Shop) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != Path {
		http.Error(w, "<html>404 Not Found</html>", http.StatusNotFound)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tooMany() {
		s.refuse(w, refusal{-7, "request_limit_reached"})
		return
	}
	if r.Method != http.MethodPost {
		s.refuse(w, refusal{-1, "please_use_post_method"})
		return
	}
	f, err := readForm(r)
	if err != nil {
		http.Error(w, "<html>400 Bad Request</html>", http.StatusBadRequest)
		return
	}
	if why := s.admit(r, f); why.code != 0 {
		s.refuse(w, why)
		return
	}
	delete(f, "shopid")
	delete(f, "sign")
	handle, known := map[string]func(context.Context, form) (string, refusal){OpCreate: s.create, OpStatus: s.status}[f["method"]]
	if !known {
		s.refuse(w, refusal{-5, "invalid_method"})
		return
	}
	if !s.known(f) {
		http.Error(w, "<html>400 Bad Request</html>", http.StatusBadRequest)
		return
	}
	body, why := handle(r.Context(), f)
	if why.code != 0 {
		s.refuse(w, why)
		return
	}
	answer(w, http.StatusOK, body)
}

// tooMany logs an arrival and reports whether it is one too many.
func (s *Shop) tooMany() bool {
	if s.limit <= 0 {
		return false
	}
	now := s.now()
	s.arrivals = slices.DeleteFunc(s.arrivals, func(t time.Time) bool { return now.Sub(t) >= s.window })
	s.arrivals = append(s.arrivals, now)
	return len(s.arrivals) > s.limit
}

// readForm reads a form in which every field is given once, and nothing beside it.
func readForm(r *http.Request) (form, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	body, readErr := io.ReadAll(r.Body)
	values, formErr := url.ParseQuery(string(body))
	if err != nil || media != "application/x-www-form-urlencoded" || readErr != nil || formErr != nil || r.URL.RawQuery != "" {
		return nil, fmt.Errorf("not a form: %q", media)
	}
	f := form{}
	for name, given := range values {
		if len(given) != 1 || given[0] == "" {
			return nil, fmt.Errorf("field %q is empty or given twice", name)
		}
		f[name] = given[0]
	}
	return f, nil
}

// admit checks the state of the shop and who is asking. Credentials of both
// kinds in one request are a mistake of the client's, and so refused.
func (s *Shop) admit(r *http.Request, f form) refusal {
	id, secret := r.Header.Values("X-CLIENT-ID"), r.Header.Values("X-CLIENT-SECRET")
	headers := len(id) > 0 || len(secret) > 0
	signed := f["shopid"] != "" || f["sign"] != ""
	switch {
	case s.maintenance:
		return refusal{-9, "under_maintenance"}
	case s.blockedIP:
		return refusal{-8, "invalid_ip_address"}
	case headers && signed:
		return refusal{-3, "invalid_signature"}
	case headers && !slices.Equal(id, []string{s.id}), !headers && f["shopid"] != s.id:
		return refusal{-2, "invalid_shopid"}
	case headers && !slices.Equal(secret, []string{s.secret}):
		return refusal{-10, "invalid_client_secret"}
	case !headers && f["sign"] != signature(f, s.secret):
		return refusal{-3, "invalid_signature"}
	case s.inactive:
		return refusal{-4, "shop_not_active"}
	}
	return refusal{}
}

// known reports whether every field is one of the method's.
func (s *Shop) known(f form) bool {
	names := []string{"method", "order_id", "transaction_id"}
	if f["method"] == OpCreate {
		names = []string{
			"method", "order_id", "steam_id", "trade_token", "result_url", "fail_url", "success_url", "min_amount", "max_amount", "currency",
			"widget", "game", "custom_multiplier", "custom_currency", "custom_currency_rate",
		}
	}
	for name := range f {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return f["widget"] == "" || f["widget"] == "1" || f["widget"] == "0"
}

func (s *Shop) create(ctx context.Context, f form) (string, refusal) {
	if why := assess(f); why.code != 0 {
		return "", why
	}
	r, why := s.take(ctx, f)
	if why.code != 0 {
		return "", why
	}
	page := "https://skinsback.com/_/pay/"
	if f["widget"] == "1" {
		page = "https://skinsback.com/_/widget/"
	}
	id := r.TransactionID
	if s.asStrings {
		id = quote(id)
	}
	return (&object{}).text("status", "success").text("url", page+r.payToken()+"/").raw("transaction_id", id).String(), refusal{}
}

func (s *Shop) status(_ context.Context, f form) (string, refusal) {
	byOrder, byID := f["order_id"], f["transaction_id"]
	switch {
	case byOrder == "" && byID == "":
		return "", refusal{1, "order_id_or_transaction_id_missing"}
	case byOrder != "" && !orderID.MatchString(byOrder):
		return "", refusal{2, "invalid_order_id"}
	case byID != "" && !wholeNumber.MatchString(byID):
		return "", refusal{3, "invalid_transaction_id"}
	}
	r := s.byOrder[byOrder]
	if byOrder == "" {
		r = s.byTransaction(byID)
	}
	if r == nil || byID != "" && r.TransactionID != byID {
		return "", refusal{4, "transaction_not_found"}
	}
	s.live(r)
	return s.object(r), refusal{}
}

func (s *Shop) refuse(w http.ResponseWriter, why refusal) {
	code := strconv.Itoa(why.code)
	if s.asStrings {
		code = quote(code)
	}
	answer(w, s.errorStatus, (&object{}).text("status", "error").raw("error_code", code).text("error_message", why.name).String())
}
