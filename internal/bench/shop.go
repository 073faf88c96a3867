package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The paths of the shop: the first two as BalanceSteam and SkinsBack have them.
const (
	steamPath = "/api/v2/partner/"
	skinsPath = "/api.php"
	barePath  = "/buy"
	booksPath = "/books"
)

// books are what the shop has sold, by the customer that each order has of its own.
type books struct {
	Requests int            `json:"requests"`
	Sold     map[string]int `json:"sold"`
}

// shop answers at once, and knows of the protocols only what a purchase takes.
// It serves both sides, so that neither has a slower one. (The strict fakes of
// the providers do far more work for a request than the programs do.)
type shop struct {
	mu sync.Mutex
	books
}

// openShop serves a shop for as long as this process lives.
func openShop() (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0")) //nolint:noctx // it stays open
	if err != nil {
		return "", err
	}
	s := &shop{books: books{Sold: map[string]int{}}}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	return "http://" + l.Addr().String(), nil
}

// sell writes a purchase down and returns its number.
func (s *shop) sell(customer string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Requests++
	if customer == "" {
		return 0
	}
	s.Sold[customer]++
	return s.Requests
}

// ServeHTTP answers as the shops do.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == booksPath {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(s.books)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // it never arrived as a whole
	}
	answer, err := s.answer(r.URL.Path, string(body))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, answer)
}

var errRequest = errors.New("there is no such request")

func (s *shop) answer(path, body string) (string, error) {
	if path == barePath {
		_, rest, _ := strings.Cut(body, `"id":"`)
		customer, _, ok := strings.Cut(rest, `"`)
		if !ok {
			return "", errRequest
		}
		return `{"error":false,"id":` + strconv.Itoa(s.sell(customer)) + `}`, nil
	}
	form, err := url.ParseQuery(body)
	if err != nil {
		return "", err
	}
	switch {
	case path == steamPath+"check" && form.Get("login_or_email") != "":
		s.sell("")
		return `{"error":false,"status":true}`, nil
	case path == steamPath+"create" && form.Get("login_or_email") != "":
		return `{"error":false,"id":` + strconv.Itoa(s.sell(form.Get("login_or_email"))) + `}`, nil
	case path == skinsPath && form.Get("method") == "create" && form.Get("steam_id") != "":
		number := strconv.Itoa(s.sell(form.Get("steam_id")))
		return `{"status":"success","transaction_id":` + number + `,"url":"http://127.0.0.1/pay/` + number + `"}`, nil
	}
	return "", errRequest
}

// readBooks asks a shop for its books.
func readBooks(ctx context.Context, p *process) (books, error) {
	var b books
	body, err := ask(ctx, p.url+booksPath)
	if err == nil {
		err = json.Unmarshal(body, &b)
	}
	return b, err
}

// judge compares the books with the customers of all orders: each must have
// been sold to exactly once, and nobody else.
func (b books) judge(customers []string) error {
	var faults []error
	for _, c := range customers {
		if n := b.Sold[c]; n != 1 {
			faults = append(faults, fmt.Errorf("the shop has sold %d times for order %s", n, c))
		}
	}
	if len(b.Sold) > len(customers) {
		faults = append(faults, fmt.Errorf("the shop has sold to %d customers, of %d orders", len(b.Sold), len(customers)))
	}
	if more := len(faults) - 10; more > 0 {
		faults = append(slices.Clip(faults[:10]), fmt.Errorf("and %d more", more))
	}
	return errors.Join(faults...)
}
