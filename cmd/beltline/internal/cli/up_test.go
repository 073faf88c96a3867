package cli_test

import (
	"maps"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
)

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
	up.stderr.shows(t, "^worker-gamesdrop is not started: no GAMESDROP_TOKEN")
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
