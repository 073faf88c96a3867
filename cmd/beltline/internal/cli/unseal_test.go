package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/messages"
)

const goods = `{"key":"K<&>-0014"}`

// newKey makes a key as an upstream would.
func newKey(t *testing.T) (file, sealTo string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "seal.key")
	return file, strings.TrimSpace(must(t, nil, 0, "", "seal-key", "new", "--key", file).stdout.String())
}

// sealedEvent is a succeeded order whose goods are sealed.
func sealedEvent(t *testing.T, sealTo string) (event, deliverable string) {
	t.Helper()
	box, err := messages.Seal([]byte(goods), sealTo)
	if err != nil {
		t.Fatal(err)
	}
	body, err := messages.Event{
		N: 3, Type: messages.Succeeded, State: messages.Succeeded, Tenant: "acme", OrderID: "o-1", Provider: messages.GamesDrop,
		Kind: messages.Offer, Deliverable: box, Order: json.RawMessage(`{"v":1,"id":"o-1","seal_to":"` + sealTo + `"}`),
	}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(body), string(box)
}

func TestUnseal_PrintsToTheLetterWhatTheKeyOpens(t *testing.T) {
	t.Parallel()
	key, sealTo := newKey(t)
	event, deliverable := sealedEvent(t, sealTo)
	file := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(file, []byte(event), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*running{
		"an event on standard input": must(t, nil, 0, event+"\n", "unseal", "--key", key),
		"a deliverable":              must(t, nil, 0, deliverable, "unseal", "--key", key, "-"),
		"a file":                     must(t, nil, 0, "", "unseal", file, "--key", key),
	} {
		if got := r.stdout.String(); got != goods+"\n" || r.stderr.String() != "" {
			t.Errorf("%s: %q, %q", name, got, r.stderr)
		}
	}
}

func TestUnseal_SaysWhyItOpensNothing(t *testing.T) {
	t.Parallel()
	key, sealTo := newKey(t)
	other, otherTo := newKey(t)
	event, deliverable := sealedEvent(t, sealTo)
	waiting := strings.Replace(strings.Replace(event, deliverable, "null", 1), "succeeded", "processing", 2)
	notKey := filepath.Join(t.TempDir(), "public.key")
	if err := os.WriteFile(notKey, []byte(sealTo), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ key, stdin, want string }{
		{other, event, "order o-1 is sealed to " + sealTo + ", and this is the key of " + otherTo},
		{other, deliverable, "the key does not open it"},
		{key, waiting, "order o-1 is processing: it has no deliverable"},
		{key, goods, "the deliverable is not sealed: it can be read as it is"},
		{key, "", "there is nothing to open"},
		{key, event + event, "not one JSON object"},
		{key, `[1]`, "not one JSON object"},
		{notKey, event, "must begin with SX"},
		{key + ".gone", event, "no such file"},
	} {
		r := must(t, nil, app.ExitFailure, tt.stdin, "unseal", "--key", tt.key)
		r.stderr.shows(t, tt.want)
		if r.stdout.String() != "" {
			t.Errorf("%s: it prints %s", tt.want, r.stdout)
		}
	}
	must(t, nil, app.ExitConfig, event, "unseal").stderr.shows(t, "--key")
}

func TestSealKey_IsForItsOwnerOnlyAndIsNeverWrittenOver(t *testing.T) {
	t.Parallel()
	key, sealTo := newKey(t)
	info, err := os.Stat(key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	before, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	must(t, nil, app.ExitFailure, "", "seal-key", "new", "--key", key).stderr.shows(t, "file exists")
	if after, err := os.ReadFile(key); err != nil || string(after) != string(before) {
		t.Errorf("the seed was changed: %v", err)
	}
	shown := must(t, nil, 0, "", "seal-key", "show", "--key", key)
	if shown.stdout.String() != sealTo+"\n" || shown.stderr.String() != "" {
		t.Errorf("%q %q", shown.stdout, shown.stderr)
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, nil, 0, "", "seal-key", "show", "--key", key).stderr.shows(t, "others may read")
	must(t, nil, app.ExitConfig, "", "seal-key", "new").stderr.shows(t, "`beltline seal-key new --help` shows how it is used")
	order := `{"v":1,"id":"o-1","provider":"gamesdrop","kind":"offer","params":{"offer_id":1},"max_cost":{"amount":"1","currency":"RUB"},"seal_to":"` + sealTo + `"}`
	if _, err := messages.DecodeOrder([]byte(order)); err != nil {
		t.Errorf("an order does not take the key: %v", err)
	}
}
