package cli_test

import (
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

func TestUp_KnowsWhatEveryProviderCannotDoWithout(t *testing.T) {
	t.Parallel()
	up := must(t, nil, app.ExitConfig, "", "up", "--listen", "127.0.0.1:0", "--store-dir", filepath.Join(t.TempDir(), "store"))
	for _, r := range providers.Registrations() {
		if want := "worker-" + string(r.Name) + " is not started: no " + strings.ToUpper(string(r.Name)) + "_"; !strings.Contains(up.stderr.String(), want) {
			t.Errorf("%q is not in\n%s", want, up.stderr)
		}
	}
}

func TestUp_ServesTheProvidersWithCredentialsAndKeepsItsStore(t *testing.T) {
	t.Parallel()
	shop := balancesteamtest.New()
	t.Cleanup(shop.Close)
	environ := map[string]string{
		"BALANCESTEAM_URL": shop.URL(), "BALANCESTEAM_API_KEY": balancesteamtest.APIKey,
		// Both would be wrong for a process with its own server.
		"NATS_URL": "nats://127.0.0.1:1", "HTTP_ADDR": "127.0.0.1:1",
		"EVENTS_MAX_BYTES": "64MiB", "ORDERS_MAX_BYTES": "64MiB", "DLQ_MAX_BYTES": "64MiB",
	}
	args := []string{"up", "--listen", "127.0.0.1:0", "--store-dir", filepath.Join(t.TempDir(), "store")}
	client := func(up *running) map[string]string {
		url := up.stderr.shows(t, `^beltline is up: NATS at (\S+)$`)
		return map[string]string{"NATS_URL": url, "BELTLINE_TENANT": "acme"}
	}

	up := begin(t, environ, "", args...)
	up.stderr.shows(t, "^worker-gamesdrop is not started: no GAMESDROP_TOKEN$")
	up.stderr.shows(t, "^worker-skinsback is not started: no SKINSBACK_CLIENT_ID, SKINSBACK_CLIENT_SECRET$")
	up.stderr.shows(t, "^worker-exchanger is not started: no EXCHANGER_URL, EXCHANGER_API_LOGIN, EXCHANGER_API_KEY$")
	order := `{"v":1,"id":"a","provider":"balancesteam","kind":"topup","params":{"login":"gordon","amount":"10.00"}}`
	must(t, client(up), app.ExitOK, order, "order", "submit", "-")
	if bought := shop.PurchasesOf("gordon"); len(bought) != 1 {
		t.Errorf("the books hold %d purchases", len(bought))
	}
	up.signals <- syscall.SIGTERM
	up.ends(app.ExitOK)
	if log := up.stderr.String(); strings.Count(log, `"asked to stop, draining"`) != 2 || strings.Contains(log, balancesteamtest.APIKey) {
		t.Errorf("not both programs drained, or the key was shown:\n%s", log)
	}

	again := begin(t, maps.Clone(environ), "", args...)
	known := must(t, client(again), app.ExitOK, "", "order", "get", "a", "-o", "json")
	known.stdout.shows(t, `"type":"succeeded"`)
	again.signals <- syscall.SIGTERM
	again.ends(app.ExitOK)
}

func TestUp_ServesAllFourProvidersAndOpensADoorForEachThatCallsBack(t *testing.T) {
	t.Parallel()
	steam, drop, skins, exchanger := balancesteamtest.New(), gamesdroptest.New(), skinsbacktest.New(), exchangertest.New()
	for _, s := range []interface{ Close() }{steam, drop, skins, exchanger} {
		t.Cleanup(s.Close)
	}
	environ := map[string]string{
		"BALANCESTEAM_URL": steam.URL(), "BALANCESTEAM_API_KEY": balancesteamtest.APIKey,
		"GAMESDROP_URL": drop.URL(), "GAMESDROP_TOKEN": gamesdroptest.Token,
		"SKINSBACK_URL": skins.URL(), "SKINSBACK_CLIENT_ID": skinsbacktest.ClientID, "SKINSBACK_CLIENT_SECRET": skinsbacktest.ClientSecret,
		"EXCHANGER_URL": exchanger.APIURL(), "EXCHANGER_API_LOGIN": exchangertest.Login, "EXCHANGER_API_KEY": exchangertest.Key,
		"WEBHOOK_ADDR": "127.0.0.1:0", "WEBHOOK_PUBLIC_URL": "https://hooks.example.com/a", "WEBHOOK_SECRET": "a-secret-of-many-letters",
		"EVENTS_MAX_BYTES": "64MiB", "ORDERS_MAX_BYTES": "64MiB", "DLQ_MAX_BYTES": "64MiB",
	}
	args := []string{"up", "--listen", "127.0.0.1:0", "--store-dir", t.TempDir()}
	refused := must(t, environ, app.ExitConfig, "", args...)
	refused.stderr.shows(t, "WEBHOOK_ADDR: worker-skinsback and worker-exchanger cannot both listen on 127.0.0.1:0; set EXCHANGER_WEBHOOK_ADDR and EXCHANGER_WEBHOOK_PUBLIC_URL, too$")

	environ["EXCHANGER_WEBHOOK_ADDR"], environ["EXCHANGER_WEBHOOK_PUBLIC_URL"] = "localhost:0", "https://hooks.example.com/b"
	up := begin(t, environ, "", args...)
	url := up.stderr.shows(t, `^beltline is up: NATS at (\S+)$`)
	log := up.stderr.String()
	for _, p := range []messages.Provider{messages.BalanceSteam, messages.SkinsBack, messages.GamesDrop, messages.Exchanger} {
		if strings.Contains(log, "worker-"+string(p)+" is not started") {
			t.Errorf("%s has credentials and is not started", p)
		}
	}
	if strings.Count(log, `"door for callbacks opened"`) != 2 {
		t.Errorf("not two doors:\n%s", log)
	}
	orders := `{"v":1,"id":"d","provider":"skinsback","kind":"deposit","params":{"steam_id":"76561198827262007","trade_token":"i1ArBZey"}}
{"v":1,"id":"x","provider":"exchanger","kind":"exchange","params":{"direction_id":"103","amount":"3000","amount_side":"give","account_to":"TWallet1"}}`
	client := map[string]string{"NATS_URL": url, "BELTLINE_TENANT": "acme"}
	must(t, client, app.ExitOK, orders, "order", "submit", "-", "--wait", "accepted")
	for _, id := range []string{"d", "x"} {
		begin(t, client, "", "order", "watch", id).stdout.shows(t, "action_required")
	}
	if made := skins.DepositsOf("76561198827262007"); len(made) != 1 || !strings.HasPrefix(made[0].ResultURL, "https://hooks.example.com/a/") {
		t.Errorf("SkinsBack was told to call %v", made)
	}
	up.signals <- syscall.SIGTERM
	up.ends(app.ExitOK)
}

func TestUp_TakesTheDoorOfOneProviderFromTheFile(t *testing.T) {
	t.Parallel()
	skins, exchanger := skinsbacktest.New(), exchangertest.New()
	t.Cleanup(skins.Close)
	t.Cleanup(exchanger.Close)
	config := filepath.Join(t.TempDir(), "beltline.yaml")
	if err := os.WriteFile(config, []byte(`
nats: {context: for-the-programs-elsewhere}
webhook: {addr: "127.0.0.1:0", public_url: "https://hooks.example.com/a", secret: a-secret-of-many-letters}
skinsback:
  url: "`+skins.URL()+`"
  client-id: "`+skinsbacktest.ClientID+`"
  client-secret: "`+skinsbacktest.ClientSecret+`"
  webhook: {addr: "localhost:0", public-url: "https://hooks.example.com/b"}
exchanger:
  url: "`+exchanger.APIURL()+`"
  api-login: "`+exchangertest.Login+`"
  api-key: "`+exchangertest.Key+`"
events: {max-bytes: 64MiB}
orders: {max-bytes: 64MiB}
dlq: {max-bytes: 64MiB}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	up := begin(t, map[string]string{}, "", "up", "--config", config, "--listen", "127.0.0.1:0", "--store-dir", t.TempDir())
	url := up.stderr.shows(t, `^beltline is up: NATS at (\S+)$`)
	if log := up.stderr.String(); strings.Count(log, `"door for callbacks opened"`) != 2 {
		t.Errorf("not two doors:\n%s", log)
	}
	client := map[string]string{"NATS_URL": url, "BELTLINE_TENANT": "acme"}
	order := `{"v":1,"id":"d","provider":"skinsback","kind":"deposit","params":{"steam_id":"76561198827262007","trade_token":"i1ArBZey"}}`
	must(t, client, app.ExitOK, order, "order", "submit", "-", "--wait", "accepted")
	begin(t, client, "", "order", "watch", "d").stdout.shows(t, "action_required")
	if made := skins.DepositsOf("76561198827262007"); len(made) != 1 || !strings.HasPrefix(made[0].ResultURL, "https://hooks.example.com/b/") {
		t.Errorf("SkinsBack was told to call %v", made)
	}
	up.signals <- syscall.SIGTERM
	up.ends(app.ExitOK)
}

func TestUp_RefusesHalfOfAProvidersCredentials(t *testing.T) {
	t.Parallel()
	environ := map[string]string{"BALANCESTEAM_API_KEY": "k", "SKINSBACK_CLIENT_ID": "1", "EXCHANGER_API_KEY": "k"}
	r := must(t, environ, app.ExitConfig, "", "up", "--listen", "127.0.0.1:0", "--store-dir", t.TempDir())
	for _, want := range []string{
		"SKINSBACK_CLIENT_SECRET: is required", "EXCHANGER_URL: is required", "EXCHANGER_API_LOGIN: is required",
		"worker-gamesdrop is not started: no GAMESDROP_TOKEN",
	} {
		r.stderr.shows(t, want)
	}
	if strings.Contains(r.stderr.String(), "worker-skinsback is not started") {
		t.Errorf("a part of the credentials was taken for none:\n%s", r.stderr)
	}
}

func TestUp_SaysWhichPortIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	environ := map[string]string{"BALANCESTEAM_API_KEY": "k"}
	r := begin(t, environ, "", "up", "--listen", taken.Addr().String(), "--store-dir", t.TempDir())
	r.ends(app.ExitFailure)
	r.stderr.shows(t, "nats-server on "+taken.Addr().String()+" did not start: .*address already in use")
}

func TestUp_OneProgramThatCannotRunEndsAllOfIt(t *testing.T) {
	t.Parallel()
	environ := map[string]string{"BALANCESTEAM_API_KEY": "k", "EVENTS_MAX_BYTES": "900TiB"}
	r := begin(t, environ, "", "up", "--listen", "127.0.0.1:0", "--store-dir", t.TempDir())
	r.ends(app.ExitFailure)
	r.stderr.shows(t, "EVENTS_MAX_BYTES")
	r.stderr.shows(t, "^beltline up: dispatcher ended with code 1; everything was stopped$")
}
