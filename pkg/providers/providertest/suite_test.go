package providertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

const (
	token = "canary-token"
	goods = "GOODS-1234"
)

// newKiosk is a fake that sells one thing: POST /buy with the reference as
// body, GET /price, GET /find?ref=.
func newKiosk() providertest.Fake {
	var mu sync.Mutex
	sold := map[string]string{}
	var d *providertest.Door
	d = providertest.NewDoor(providertest.NewBook(nil), providertest.NewFaults(1),
		func(r *http.Request) string { return r.URL.Path },
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			w.Header().Set("Content-Type", "application/json")
			switch body, _ := io.ReadAll(r.Body); r.URL.Path {
			case "/price":
				_, _ = io.WriteString(w, `{"price":"1.50"}`)
			case "/find":
				fmt.Fprintf(w, `{"id":%q}`, sold[r.URL.Query().Get("ref")])
			case "/buy":
				reference := string(body)
				if sold[reference] != "" {
					_, _ = io.WriteString(w, `{"code":"DUPLICATE"}`)
					return
				}
				sold[reference] = fmt.Sprintf("no-%d", len(sold)+1)
				d.Commit(r.Context(), providertest.Entry{Reference: reference, ID: sold[reference]})
				fmt.Fprintf(w, `{"id":%q,"key":%q}`, sold[reference], goods)
			default:
				http.NotFound(w, r)
			}
		}))
	s := httptest.NewServer(d)
	return providertest.Fake{URL: s.URL, Door: d, Close: s.Close}
}

// fault of an adapter: what a careless author could write.
type mistake int

const (
	none mistake = iota
	sendsTwice
	repeatsOnError
	followsRedirects
	ignoresGuard
	buysToPrepare
	changesBody
	trusts200
	trusts5xx
	retries5xx
	rejectsUnreadable
	forgetsRetryAfter
	leaksToken
	refusesOnReadFault
	absentOnFault
	buysUnderNewReference
	asksGuardItself
	hidesCancel
	declaresNothing
	declaresGoods
)

// client is an adapter for the kiosk, with a mistake.
type client struct {
	http    *providerhttp.Client
	url     string
	mistake mistake
	count   *atomic.Int64
}

type reply struct {
	ID    string `json:"id"`
	Code  string `json:"code"`
	Price string `json:"price"`
	Key   string `json:"key"`
}

func (c client) request(method, path string, body []byte) providerhttp.Request {
	r := providerhttp.Request{
		Op: "kiosk" + path, Method: method, URL: c.url + path, Header: http.Header{"Authorization": {token}}, Body: body,
		ContentType: "application/x-www-form-urlencoded", Disclose: providerhttp.Disclose([]string{"id"}, nil, secret.New(token)),
	}
	switch c.mistake {
	case declaresNothing:
		r.Disclose = nil
	case declaresGoods:
		r.Disclose = providerhttp.Disclose([]string{"id", "key"}, nil, secret.New(token))
	}
	return r
}

func (c client) read(op string, r *providerhttp.Response) (reply, error) {
	var v reply
	bad := providerhttp.DecodeJSON(op, r, &v)
	switch {
	case c.mistake == trusts5xx && bad == nil, c.mistake == trusts200 && r.Status < 500:
		return v, nil
	case r.Status >= 300:
		e := providerhttp.StatusError(op, r)
		if c.mistake == retries5xx && r.Status >= 500 {
			e.Class = providers.Retryable
		}
		if c.mistake == forgetsRetryAfter {
			e.RetryAfter = 0
		}
		if c.mistake == leaksToken {
			e.Message = "with " + token
		}
		return v, e
	case bad != nil:
		if c.mistake == rejectsUnreadable {
			bad.Class = providers.Rejected
		}
		return v, bad
	case v.ID == "" && v.Code == "" && v.Price == "":
		return v, &providers.Error{Op: op, Code: providers.CodeUnreadable}
	}
	return v, nil
}

func (c client) Prepare(ctx context.Context, o providers.Order) (providers.Plan, error) {
	if c.mistake == buysToPrepare {
		ctx = providers.WithSendGuard(ctx, func() error { return nil })
		_, _ = c.http.Create(ctx, c.request(http.MethodPost, "/buy", []byte("reserve-"+o.Reference)))
	}
	r, err := c.http.Read(ctx, c.request(http.MethodGet, "/price", nil))
	var v reply
	if err == nil {
		v, err = c.read("kiosk/price", r)
	}
	if err != nil {
		if c.mistake == refusesOnReadFault {
			err = &providers.Error{Op: "kiosk/price", Class: providers.Rejected, Code: "no"}
		}
		return providers.Plan{}, err
	}
	return providers.Plan{Data: map[string]string{"price": v.Price}}, nil
}

func (c client) Place(ctx context.Context, o providers.Order, _ providers.Plan) (providers.Answer, error) {
	reference := o.Reference
	if n := c.count.Add(1); c.mistake == buysUnderNewReference || c.mistake == changesBody {
		reference = fmt.Sprintf("%s-%d", reference, n)
	}
	req := c.request(http.MethodPost, "/buy", []byte(reference))
	switch guard := providers.SendGuard(ctx); {
	case c.mistake == ignoresGuard:
		ctx = providers.WithSendGuard(ctx, func() error { return nil })
	case c.mistake == asksGuardItself && guard != nil:
		_ = guard()
	case c.mistake == hidesCancel && ctx.Err() != nil:
		ctx = context.WithoutCancel(ctx)
	}
	r, err := c.http.Create(ctx, req)
	if err == nil && c.mistake == followsRedirects && r.Status/100 == 3 {
		r, err = c.http.Create(ctx, c.request(http.MethodPost, r.Header.Get("Location"), req.Body))
	}
	if err == nil && c.mistake == sendsTwice || err != nil && c.mistake == repeatsOnError {
		r, err = c.http.Create(ctx, req)
	}
	if err != nil {
		return providers.Answer{}, err
	}
	v, err := c.read("kiosk/buy", r)
	switch {
	case err != nil:
		return providers.Answer{}, err
	case v.Code == "DUPLICATE":
		return providers.Answer{}, &providers.Error{Op: "kiosk/buy", Code: v.Code, Exists: true}
	case v.ID == "" && c.mistake != trusts200 && c.mistake != trusts5xx:
		return providers.Answer{}, &providers.Error{Op: "kiosk/buy", Code: providers.CodeUnreadable}
	}
	return providers.Answer{
		Status: providers.StatusSucceeded, Finality: messages.Final, Ref: map[string]string{"id": v.ID}, Deliverable: json.RawMessage(`{"key":"` + v.Key + `"}`),
	}, nil
}

func (c client) Lookup(ctx context.Context, o providers.Order) (providers.Answer, error) {
	r, err := c.http.Read(ctx, c.request(http.MethodGet, "/find?ref="+o.Reference, nil))
	var v reply
	if err == nil {
		v, err = c.read("kiosk/find", r)
	}
	if err != nil && c.mistake == absentOnFault {
		return providers.Answer{Status: providers.StatusAbsent}, nil
	}
	if err != nil {
		return providers.Answer{}, err
	}
	return providers.Answer{Status: providers.StatusSucceeded, Ref: map[string]string{"id": v.ID}}, nil
}

func kiosk(m mistake) providertest.Suite {
	return providertest.Suite{
		Start: newKiosk,
		New: func(url string, c *providerhttp.Client) (providers.Provider, error) {
			return client{http: c, url: url, mistake: m, count: new(atomic.Int64)}, nil
		},
		Samples:  []providertest.Sample{{Name: "thing", Order: providers.Order{Kind: messages.Offer, Reference: "b1ref"}, CreateOp: "/buy"}},
		Canaries: []string{token},
		Keyed:    true,
	}
}

func TestRun_PassesAnHonestAdapter(t *testing.T) {
	t.Parallel()
	providertest.Run(t, kiosk(none))
}

func TestRun_CatchesEveryMistake(t *testing.T) {
	t.Parallel()
	for m, check := range map[mistake]string{
		sendsTwice:            "an order is placed with one request",
		repeatsOnError:        "no answer is ambiguous",
		followsRedirects:      "redirects are not followed",
		ignoresGuard:          "a refusing guard lets nothing out",
		buysToPrepare:         "preparing creates nothing",
		changesBody:           "a recorded plan sends the same bytes",
		trusts200:             "an unreadable answer is ambiguous",
		trusts5xx:             "5xx is ambiguous even with a good body",
		retries5xx:            "a status proves nothing but 429",
		rejectsUnreadable:     "an unreadable answer is ambiguous",
		forgetsRetryAfter:     "429 is retried when the provider says",
		leaksToken:            "a status proves nothing but 429",
		refusesOnReadFault:    "faults of reading refuse no order",
		absentOnFault:         "faults of looking up decide nothing",
		buysUnderNewReference: "a reference buys once",
		asksGuardItself:       "the guard is asked once, before anything arrives",
		declaresNothing:       "a purchase leaves a record without secrets",
		declaresGoods:         "a purchase leaves a record without secrets",
		hidesCancel:           "cancelling before sending sends nothing",
	} {
		t.Run(fmt.Sprintf("%d %s", m, check), func(t *testing.T) {
			t.Parallel()
			if providertest.Broken(t.Context(), kiosk(m), check) == nil {
				t.Error("the check did not fail")
			}
		})
	}
}

func TestRun_CatchesAKeyThatThePipelineWouldNotKnowOf(t *testing.T) {
	t.Parallel()
	s := kiosk(none)
	s.Samples[0].Order.Kind = messages.Topup // has no field for a reference
	if providertest.Broken(t.Context(), s, "a reference buys once") == nil {
		t.Error("the check did not fail")
	}
}

func TestRun_CatchesAnAdapterThatCannotBeBuilt(t *testing.T) {
	t.Parallel()
	s := kiosk(none)
	s.New = func(string, *providerhttp.Client) (providers.Provider, error) { return nil, errors.New("no") }
	for _, name := range providertest.Checks() {
		if providertest.Broken(t.Context(), s, name) == nil {
			t.Errorf("%q did not fail", name)
		}
	}
}
