package skinsback_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/skinsback"
)

const (
	ambiguous = providers.Ambiguous
	rejected  = providers.Rejected
	retryable = providers.Retryable
	blocked   = providers.Blocked
)

// documented are the codes of both pages: what each means to a create and to a
// question for the status.
var documented = []struct {
	code              int
	create, asked     string // error_message; empty where the method has no such code
	ofCreate, ofAsked providers.Class
}{
	{1, "invalid_order_id", "order_id_or_transaction_id_missing", rejected, ambiguous},
	{2, "invalid_steam_id", "invalid_order_id", rejected, ambiguous},
	{3, "", "invalid_transaction_id", rejected, ambiguous},
	{4, "", "transaction_not_found", rejected, ambiguous},
	{5, "order_id_already_exists", "", ambiguous, ambiguous},
	{7, "invalid_max_value", "", rejected, ambiguous},
	{8, "invalid_currency", "", rejected, ambiguous},
	{9, "invalid_result_url", "", rejected, ambiguous},
	{10, "invalid_success_url", "", rejected, ambiguous},
	{11, "invalid_fail_url", "", rejected, ambiguous},
	{12, "invalid_custom_currency", "", rejected, ambiguous},
	{13, "invalid_custom_currency_rate", "", rejected, ambiguous},
	{14, "invalid_custom_multiplier", "", rejected, ambiguous},
	{15, "invalid_game", "", rejected, ambiguous},
	{16, "", "", ambiguous, ambiguous},
	{0, "", "", ambiguous, ambiguous},
	{-1, "please_use_post_method", "please_use_post_method", blocked, blocked},
	{-2, "invalid_shopid", "invalid_shopid", blocked, blocked},
	{-3, "invalid_signature", "invalid_signature", blocked, blocked},
	{-4, "shop_not_active", "shop_not_active", blocked, blocked},
	{-5, "invalid_method", "invalid_method", blocked, blocked},
	{-6, "", "", ambiguous, ambiguous},
	{-7, "request_limit_reached", "request_limit_reached", retryable, retryable},
	{-8, "invalid_ip_address", "invalid_ip_address", blocked, blocked},
	{-9, "under_maintenance", "under_maintenance", retryable, retryable},
	{-10, "invalid_client_secret", "invalid_client_secret", blocked, blocked},
	{-11, "", "", ambiguous, ambiguous},
}

func errorBody(code any, message string) string {
	return fmt.Sprintf(`{"status":"error","error_code":%v,"error_message":%q}`, code, message)
}

func TestErrors_EveryCodeHasItsClass(t *testing.T) {
	t.Parallel()
	p := skinsback.BareProvider(canary)
	for _, d := range documented {
		code := fmt.Sprint(d.code)
		for _, status := range []int{200, 400, 403, 429} {
			for _, body := range []string{errorBody(d.code, d.create), errorBody(`"`+code+`"`, "something new")} {
				_, err := p.JudgeCreate(&providerhttp.Response{Status: status, Body: []byte(body)})
				e := mustFail(t, err, d.ofCreate, code)
				if e.Exists != (d.code == 5) || e.HTTPStatus != status || (e.RetryAfter == time.Minute) != (d.code == -7) {
					t.Errorf("create, HTTP %d, %s: %+v", status, body, e)
				}
			}
			_, err := p.JudgeStatus(deposit(), &providerhttp.Response{Status: status, Body: []byte(errorBody(d.code, d.asked))})
			e := mustFail(t, err, d.ofAsked, code)
			if errors.Is(err, skinsback.ErrNotFound) != (d.code == 4) || e.Exists || (e.RetryAfter == time.Minute) != (d.code == -7) {
				t.Errorf("orderstatus, HTTP %d: %+v", status, e)
			}
		}
		// A server that fails may fail after it has acted, whatever it says.
		for _, status := range []int{302, 500, 503} {
			_, err := p.JudgeCreate(&providerhttp.Response{Status: status, Body: []byte(errorBody(d.code, d.create))})
			mustFail(t, err, ambiguous, fmt.Sprintf("http_%d", status))
		}
	}
}

func TestErrors_ATextOfAnotherCodeMakesNothingDefinite(t *testing.T) {
	t.Parallel()
	p := skinsback.BareProvider(canary)
	for _, c := range []struct {
		code    int
		message string
		exists  bool
	}{
		{1, "order_id_already_exists", true},
		{5, "invalid_order_id", true},
		{8, "under_maintenance", false},
		{-9, "invalid_currency", false},
		{-9, "order_id_already_exists", true},
	} {
		_, err := p.JudgeCreate(&providerhttp.Response{Status: 200, Body: []byte(errorBody(c.code, c.message))})
		if e := mustFail(t, err, ambiguous, fmt.Sprint(c.code)); e.Exists != c.exists {
			t.Errorf("%d %s: exists %v", c.code, c.message, e.Exists)
		}
	}
	// Refused for one reason or for another: it is refused.
	_, err := p.JudgeCreate(&providerhttp.Response{Status: 200, Body: []byte(errorBody(8, "invalid_order_id"))})
	mustFail(t, err, rejected, "8")
	for _, body := range []string{errorBody(4, "invalid_order_id"), errorBody(1, "transaction_not_found"), errorBody(4, "under_maintenance")} {
		_, err := p.JudgeStatus(deposit(), &providerhttp.Response{Status: 200, Body: []byte(body)})
		if providers.ClassOf(err) != ambiguous || errors.Is(err, skinsback.ErrNotFound) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// TestErrors_AnswersThatAreNeitherYesNorNo are the answers to a create that no
// document has.
func TestErrors_AnswersThatAreNeitherYesNorNo(t *testing.T) {
	t.Parallel()
	const url = `"url":"https://skinsback.com/_/pay/94/"`
	p := skinsback.BareProvider(canary)
	for _, c := range []struct {
		status int
		body   string
		class  providers.Class
		code   string
	}{
		{200, `{"status":"error"}`, ambiguous, "unreadable"},
		{200, `{"status":"error","error_code":null}`, ambiguous, "unreadable"},
		{200, `{"status":"error","error_code":1.5}`, ambiguous, "unreadable"},
		{200, `{"status":"error","error_code":"invalid_order_id"}`, ambiguous, "unreadable"},
		{200, `{"status":"error","error_code":1,"transaction_id":13}`, ambiguous, "unreadable"},
		{200, `{"status":"error","error_code":1,` + url + `}`, ambiguous, "unreadable"},
		{200, `{"status":"success","error_code":1,"transaction_id":13,` + url + `}`, ambiguous, "unreadable"},
		{200, `{"error_code":1,"error_message":"invalid_order_id"}`, ambiguous, "unreadable"},
		{200, `{"transaction_id":13,` + url + `}`, ambiguous, "unreadable"},
		{200, `{"status":"success"}`, ambiguous, "unreadable"},
		{200, `{"status":"success",` + url + `}`, ambiguous, "unreadable"},
		{200, `{"status":"success","transaction_id":13}`, ambiguous, "unreadable"},
		{200, `{"status":"success","transaction_id":0,` + url + `}`, ambiguous, "unreadable"},
		{200, `{"status":"success","transaction_id":1.5,` + url + `}`, ambiguous, "unreadable"},
		{200, `{"status":"success","transaction_id":1e3,` + url + `}`, ambiguous, "unreadable"},
		{200, `{"status":"success","transaction_id":13,"url":""}`, ambiguous, "unreadable"},
		{200, `{"status":"success","transaction_id":13,"url":"http://skinsback.com/_/pay/94/"}`, ambiguous, "unreadable"},
		{200, `{"status":"success","transaction_id":13,"url":"javascript:alert(1)"}`, ambiguous, "unreadable"},
		{200, `{"status":"success","transaction_id":13,"url":"/_/pay/94/"}`, ambiguous, "unreadable"},
		{200, `{"status":"success","transaction_id":13,"url":"https://me:pw@skinsback.com/"}`, ambiguous, "unreadable"},
		{200, `{"status":"success","transaction_id":13,"url":"https://a/` + strings.Repeat("x", 2048) + `"}`, ambiguous, "unreadable"},
		{200, `{"status":"pending","transaction_id":13,` + url + `}`, ambiguous, "unreadable"},
		{200, `{"status":"fail","transaction_id":13,` + url + `}`, ambiguous, "unreadable"},
		{200, `{"status":["success"],"transaction_id":13,` + url + `}`, ambiguous, "unreadable"},
		{200, `{"status":"success","Status":"error","error_code":1}`, ambiguous, "unreadable"},
		{200, `[]`, ambiguous, "unreadable"},
		{200, `null`, ambiguous, "unreadable"},
		{200, ``, ambiguous, "unreadable"},
		{400, `{"status":"success","transaction_id":13,` + url + `}`, ambiguous, "unreadable"},
		{429, `{"status":"success","transaction_id":13,` + url + `}`, ambiguous, "unreadable"},
		{429, `{"transaction_id":13}`, ambiguous, "unreadable"},
		{404, `<html>`, ambiguous, "http_404"},
		{403, `{"message":"forbidden"}`, ambiguous, "http_403"},
		{429, `{"message":"slow down"}`, retryable, "http_429"},
		{429, ``, retryable, "http_429"},
	} {
		_, err := p.JudgeCreate(&providerhttp.Response{Status: c.status, Body: []byte(c.body)})
		e := providers.AsError(err)
		if err == nil || e.Class != c.class || e.Code != c.code || e.Exists {
			t.Errorf("HTTP %d %s: got %v, want %v %s", c.status, c.body, err, c.class, c.code)
		}
	}
}

func TestErrors_EchoedSecretsAndAddressesAreRemoved(t *testing.T) {
	t.Parallel()
	body := errorBody(8, "key "+canary+" see https://evil.example/?k=1 now")
	_, err := build(t, say(t, 200, body).URL).Place(guarded(t), deposit(), providers.Plan{})
	e := mustFail(t, err, rejected, "8")
	if e.Message != "key *** see [address] now" || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %q", err)
	}
}
