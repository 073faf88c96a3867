package cli_test

import (
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
)

func TestFakes_SayWhereTheyAreAndWriteDownWhatIsBought(t *testing.T) {
	t.Parallel()
	r := begin(t, nil, "", "fakes", "--listen", "127.0.0.1:0", "--pace", "20ms")
	for _, line := range []string{
		`^skinsback .* SKINSBACK_CLIENT_SECRET=(\S+)$`, `^gamesdrop .* GAMESDROP_TOKEN=(\S+)$`, `^exchanger .*EXCHANGER_URL=(http://\S+/api/userapi/v1) `,
	} {
		r.stderr.shows(t, line)
	}
	steam := r.stderr.shows(t, `BALANCESTEAM_URL=(\S+) BALANCESTEAM_API_KEY=`+balancesteamtest.APIKey+`$`)
	form := url.Values{"apikey": {balancesteamtest.APIKey}, "service_id": {"5955"}, "login_or_email": {"gabe"}, "amount": {"9.99"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, steam+balancesteamtest.CreatePath, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	r.stdout.shows(t, `^\{"shop":"balancesteam",.*"phase":"committed".*"order_key":"gabe","amount":"9.99"`)
	if strings.Contains(r.stdout.String(), `"received"`) {
		t.Errorf("requests are in the books:\n%s", r.stdout)
	}
	r.signals <- syscall.SIGTERM
	r.ends(app.ExitOK)
}
