package balancesteamtest_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

const formType = "application/x-www-form-urlencoded"

// send posts a body and returns the answer as status and text.
func send(t *testing.T, method, url, kind, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func open(t *testing.T, opts ...balancesteamtest.Option) *balancesteamtest.Server {
	t.Helper()
	s := balancesteamtest.New(opts...)
	t.Cleanup(s.Close)
	return s
}

func TestServer_AnswersAsDocumented(t *testing.T) {
	t.Parallel()
	s := open(t, balancesteamtest.WithBalance("4692"))
	s.Refuse("banned")
	for _, c := range []struct{ path, form, want string }{
		{balancesteamtest.BalanceV1Path, "", `{"error":false,"balance":4692}`},
		{balancesteamtest.BalancePath, "", `{"error":false,"balance":4692}`},
		{balancesteamtest.CheckV1Path, "steam_login=gabe", `{"error":false,"status":true}`},
		{balancesteamtest.CheckV1Path, "steam_login=banned", `{"error":false,"status":false}`},
		{balancesteamtest.CheckPath, "login_or_email=gabe&service_id=5955", `{"error":false,"status":true}`},
		{balancesteamtest.CheckPath, "login_or_email=any&service_id=5999", `{"error":false,"price":513.35075}`},
		{balancesteamtest.CreateV1Path, "steam_login=gabe&amount=100", `{"error":false,"id":10000}`},
		{balancesteamtest.CreatePath, "login_or_email=gabe&service_id=5955&amount=100.50", `{"error":false,"id":10001}`},
		{balancesteamtest.CreatePath, "login_or_email=a@b.example&service_id=5999", `{"error":false,"id":10002}`},
		{balancesteamtest.CreateV1Path, "steam_login=gabe&amount=5000", `{"error":true,"status":"balance over"}`},
		{balancesteamtest.BalancePath, "", `{"error":false,"balance":3978.14925}`},
	} {
		if status, got := send(t, http.MethodPost, s.URL()+c.path, formType, "apikey=test-apikey&"+c.form); status != 200 || got != c.want {
			t.Errorf("%s %s: %d %s, want %s", c.path, c.form, status, got, c.want)
		}
	}
	if got := len(s.Purchases()); got != 3 {
		t.Errorf("%d purchases, want 3", got)
	}
}

func TestServer_IsStrict(t *testing.T) {
	t.Parallel()
	s := open(t)
	create := s.URL() + balancesteamtest.CreatePath
	good := "apikey=test-apikey&login_or_email=gabe&service_id=5955&amount=100"
	for name, c := range map[string]struct{ method, url, kind, body string }{
		"GET":                {http.MethodGet, create, formType, good},
		"JSON":               {http.MethodPost, create, "application/json", good},
		"query":              {http.MethodPost, create + "?" + good, formType, good},
		"unknown path":       {http.MethodPost, create + "/x", formType, good},
		"wrong key":          {http.MethodPost, create, formType, strings.Replace(good, "test-apikey", "x", 1)},
		"two keys":           {http.MethodPost, create, formType, good + "&apikey=test-apikey"},
		"unknown field":      {http.MethodPost, create, formType, good + "&order_id=1"},
		"field twice":        {http.MethodPost, create, formType, good + "&amount=1"},
		"v1 name in v2":      {http.MethodPost, create, formType, strings.Replace(good, "login_or_email", "steam_login", 1)},
		"no service":         {http.MethodPost, create, formType, strings.Replace(good, "&service_id=5955", "", 1)},
		"wrong service":      {http.MethodPost, create, formType, "apikey=test-apikey&login_or_email=a@b.example&service_id=1"},
		"amount for a card":  {http.MethodPost, create, formType, "apikey=test-apikey&login_or_email=a@b.example&service_id=5999&amount=1"},
		"card to a login":    {http.MethodPost, create, formType, "apikey=test-apikey&login_or_email=gabe&service_id=5999"},
		"no amount":          {http.MethodPost, create, formType, strings.Replace(good, "&amount=100", "", 1)},
		"negative amount":    {http.MethodPost, create, formType, strings.Replace(good, "100", "-100", 1)},
		"exponent":           {http.MethodPost, create, formType, strings.Replace(good, "100", "1e2", 1)},
		"three places":       {http.MethodPost, create, formType, strings.Replace(good, "100", "1.001", 1)},
		"comma":              {http.MethodPost, create, formType, strings.Replace(good, "100", "1,5", 1)},
		"not a form":         {http.MethodPost, create, formType, good + "&%zz"},
		"bad name, no crash": {http.MethodPost, create, formType, good + "&%00%1b=1"},
	} {
		if _, got := send(t, c.method, c.url, c.kind, c.body); strings.Contains(got, `"error":false`) {
			t.Errorf("%s: accepted, %s", name, got)
		}
	}
	if got := s.Purchases(); len(got) != 0 {
		t.Errorf("bought %+v", got)
	}
}

func TestServer_BooksBalanceUnderConcurrency(t *testing.T) {
	t.Parallel()
	s := open(t, balancesteamtest.WithBalance("100"))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			send(t, http.MethodPost, s.URL()+balancesteamtest.CreatePath, formType, "apikey=test-apikey&login_or_email=gabe&service_id=5955&amount=9.99")
		})
	}
	wg.Wait()
	sum := s.Balance()
	for _, p := range s.Purchases() {
		sum = sum.Add(p.Charged)
	}
	if !sum.Equal(money.MustDecimal("100")) || len(s.Purchases()) != 10 {
		t.Errorf("%d purchases, balance and charges make %v", len(s.Purchases()), sum)
	}
	committed := s.Door().Book.Purchases()
	if len(committed) != 10 || committed[9].OrderKey != "gabe" || committed[9].Op != balancesteamtest.OpTopup || committed[9].Amount != "9.99" {
		t.Errorf("the journal has %+v", committed)
	}
	if got := len(s.Door().Book.Select(providertest.Received, balancesteamtest.OpTopup)); got != 20 {
		t.Errorf("%d requests in the journal", got)
	}
}

func TestServer_WaitEndsWithClose(t *testing.T) {
	t.Parallel()
	s := balancesteamtest.New(balancesteamtest.WithErrorStatus(400), balancesteamtest.WithStrings(), balancesteamtest.WithFee("1"))
	status, got := send(t, http.MethodPost, s.URL()+balancesteamtest.BalancePath, formType, "apikey=x")
	if status != 400 || got != `{"error":"true","message":"apikey not a valid"}` {
		t.Errorf("%d %s", status, got)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Wait() }()
	s.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
