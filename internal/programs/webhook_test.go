package programs_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/providers/skinsback"
)

const hookForm = "application/x-www-form-urlencoded"

// signedForm is a callback of SkinsBack.
func signedForm(key secret.String, fields map[string]string) []byte {
	form := url.Values{"sign": {skinsback.Sign(fields, key)}}
	for name, value := range fields {
		form.Set(name, value)
	}
	return []byte(form.Encode())
}

func TestSkinsBackCallback_TellsTheLatestTimeThatIsSignedAndNoTimeOfSending(t *testing.T) {
	t.Parallel()
	key := secret.New("the client's secret")
	verify := programs.SkinsBackCallback(key)
	created := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	fields := map[string]string{"status": "success", "order_id": "b1x", "transaction_id": "13", "date": fmt.Sprint(created.Unix())}
	for i, name := range []string{"date", "offer_date", "skins_send_date"} {
		want := created.Add(time.Duration(i) * time.Hour)
		fields[name] = fmt.Sprint(want.Unix())
		got, err := verify(signedForm(key, fields), hookForm)
		if err != nil || !got.After.Equal(want) || !got.Sent.IsZero() {
			t.Errorf("%q: after %s, sent %s, %v", name, got.After, got.Sent, err)
		}
		if diff := cmp.Diff(map[string]string{"status": "success", "order_id": "b1x", "transaction_id": "13"}, got.Fields); diff != "" {
			t.Error(diff)
		}
	}
	// When a hold ends is told beforehand: it is no time that has passed.
	fields["in_hold_until"] = fmt.Sprint(created.Add(8 * 24 * time.Hour).Unix())
	if got, err := verify(signedForm(key, fields), hookForm); err != nil || got.After.After(created.Add(2*time.Hour)) {
		t.Errorf("after %s, %v", got.After, err)
	}
	if got, err := verify(signedForm(secret.New("another"), fields), hookForm); err == nil {
		t.Errorf("verified: %+v", got)
	}
}

func TestExchangerCallback_TellsNoTime(t *testing.T) {
	t.Parallel()
	got, err := programs.ExchangerCallback([]byte("bid_id=1&status=payed"), hookForm)
	if err != nil || !got.Sent.IsZero() || !got.After.IsZero() || got.Fields["status"] != "payed" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, body := range []string{"", "bid_id=1", "bid_id=1&status=a&status=b", "status=a", "%zz"} {
		if got, err := programs.ExchangerCallback([]byte(body), hookForm); err == nil {
			t.Errorf("%q: %+v", body, got)
		}
	}
}
