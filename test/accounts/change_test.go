package accounts_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
)

// files are what a directory holds, by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = string(body)
	}
	return all
}

func TestGenerate_AgainOrWithAnotherTenantChangesNothingForTheOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	generate(t, dir, acme)
	first := files(t, dir)
	for name := range first {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if name != "accounts.conf" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", name, info.Mode().Perm())
		}
		if name != "accounts.conf" && strings.HasSuffix(name, ".nk") && strings.Contains(first["accounts.conf"], strings.TrimSpace(first[name])) {
			t.Errorf("accounts.conf has the seed of %s", name)
		}
	}
	generate(t, dir, acme)
	if diff := cmp.Diff(first, files(t, dir)); diff != "" {
		t.Errorf("the second time changed something: %s", diff)
	}
	out := generate(t, dir, shop2) // acme is not named, and stays
	second := files(t, dir)
	for name, body := range first {
		if name == "accounts.conf" {
			for line := range strings.Lines(body) {
				// A list of accounts that share a subject gets longer.
				if !strings.Contains(line, "accounts: [") && !strings.Contains(second[name], line) {
					t.Errorf("a line is gone: %s", line)
				}
			}
		} else if second[name] != body {
			t.Errorf("%s was changed", name)
		}
	}
	if second["tenant-"+shop2+".nk"] == "" || strings.Contains(out, strings.TrimSpace(second["tenant-"+shop2+".nk"])) {
		t.Error("the new tenant has no key, or it was shown")
	}
	for _, context := range []string{"dispatcher", "worker-gamesdrop", "tenant-" + acme, "tenant-" + shop2} {
		if !strings.Contains(out, "NATS_CONTEXT="+filepath.Join(dir, context+".json")) {
			t.Errorf("nothing says how %s connects:\n%s", context, out)
		}
	}
}

func TestGenerate_RefusesWhatCannotBeATenant(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"unknown", "_system", "a.b", "a b", "*", ">", `"}`, strings.Repeat("x", 65)} {
		dir := t.TempDir()
		r := &rig{t: t, dir: dir}
		if out, _, err := r.beltline("none", "accounts", "--dir", dir, "--tenant", name); err == nil {
			t.Errorf("%q was taken:\n%s", name, out)
		}
		if got := files(t, dir); len(got) > 0 {
			t.Errorf("%q: files were made: %d", name, len(got))
		}
	}
}

func TestReload_ANewTenantComesInAndNobodyIsDisconnected(t *testing.T) {
	t.Parallel()
	dir := shipped(t, acme)
	n := start(t, dir, "one.conf", nil)
	r := newRig(t, dir, n.url())
	r.setUp(&tally{t: t})
	lost := make(chan error, 10)
	there := r.connect("tenant-"+acme, nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { lost <- err }))
	generate(t, dir, shop2)
	if nc, err := nats.Connect(r.url, r.how("tenant-"+shop2)...); err == nil {
		nc.Close()
		t.Fatal("the new tenant was there before the server was told")
	}
	// The first time the server knows the new account, but does not join it to the
	// others yet.
	for i := range 2 {
		n.reload()
		r.await("the server has read its files", func() bool { return strings.Count(n.log.String(), "Reloaded server configuration") > i })
	}
	if _, err := r.js("tenant-"+shop2).Publish(t.Context(), "orders."+shop2+".submit", []byte(orders()["topup"])); err != nil {
		t.Errorf("the new tenant cannot submit: %v", err)
	}
	if err := there.FlushTimeout(patience); err != nil {
		t.Error(err)
	}
	select {
	case err := <-lost:
		t.Errorf("acme was disconnected: %v", err)
	default:
	}
}

// The wall between accounts is not made of permissions: it stands too where a
// user may publish whatever it likes within its account.
func TestAccounts_StandAlsoWithoutPermissions(t *testing.T) {
	t.Parallel()
	dir := shipped(t, acme, shop2)
	file := filepath.Join(dir, "accounts.conf")
	conf, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	open := regexp.MustCompile(`(?s), permissions: \{\n.*?\n    \} \} \]`).ReplaceAll(conf, []byte(" } ]"))
	if strings.Contains(string(open), "permissions") || len(open) == len(conf) {
		t.Fatal("the permissions were not taken out")
	}
	write(t, file, open)
	n := start(t, dir, "one.conf", nil)
	r := newRig(t, dir, n.url()) // writes the file anew, which the server does not read again
	r.setUp(&tally{t: t})
	r.startPrograms(nil)
	r.beyond()
}

// beyond asks as every role for all that is not its own. Each question is
// answered by its own account's server that nobody is there, and by nobody else.
func (r *rig) beyond() {
	r.t.Helper()
	before, all := r.holdings(), universe(r.t)
	tried, answered := 0, 0
	for role, may := range allowed() {
		var questions []string
		for _, subject := range all {
			if !fits(may, subject) && !r.within(role, subject) {
				questions = append(questions, subject)
			}
		}
		tried += len(questions)
		for _, subject := range r.ask(role, questions) {
			answered++
			r.t.Errorf("%s got an answer from %s", role, subject)
		}
	}
	r.t.Logf("without permissions: %d questions, %d answered", tried, answered)
	if err := unchanged(before, r.holdings()); err != nil {
		r.t.Errorf("something was changed: %v", err)
	}
}

// ask publishes questions, each with a reply subject of its own, and returns
// those that somebody has answered. What is asked of JetStream under its own name
// is refused, or not answered, where the account has none; of everything else it
// hears that nobody is there.
func (r *rig) ask(role string, questions []string) (answered []string) {
	r.t.Helper()
	inbox := "_INBOX_" + role + ".try"
	var mu sync.Mutex
	open := map[int]bool{}
	nc := r.connect(role)
	sub, err := nc.Subscribe(inbox+".*", func(m *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		i, _ := strconv.Atoi(m.Subject[len(inbox)+1:])
		delete(open, i)
		if m.Header.Get("Status") != "503" && !(strings.HasPrefix(questions[i], "$JS.API.") && refused(m)) {
			answered = append(answered, questions[i])
		}
	})
	if err == nil {
		err = sub.SetPendingLimits(-1, -1)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	for i, subject := range questions {
		if !strings.HasPrefix(subject, "$JS.API.") {
			mu.Lock()
			open[i] = true
			mu.Unlock()
		}
		if err := nc.PublishRequest(subject, inbox+"."+strconv.Itoa(i), nil); err != nil {
			r.t.Fatal(err)
		}
	}
	r.await(role+" has heard of all its questions", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(open) == 0
	})
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(answered)
}

func fits(may []string, subject string) bool {
	for _, pattern := range may {
		if matches(pattern, subject) {
			return true
		}
	}
	return false
}

// within reports whether a subject is one that the role itself serves: it would
// hear itself.
func (r *rig) within(role, subject string) bool {
	switch {
	case strings.HasPrefix(subject, "_INBOX_"+role+"."), subject == "$SYS.REQ.USER.INFO": // who am I, which every user may ask
		return true
	case role == "dispatcher":
		return fits([]string{"svc.orders.>", "svc.operator.>", "$SRV.>"}, subject)
	case strings.HasPrefix(role, "worker-"):
		p := strings.TrimPrefix(role, "worker-")
		return fits([]string{"svc.providers." + p + ".*", "$SRV.>", "turns." + p}, subject)
	}
	return false
}

// refused: an answer of JetStream that says no. An account that has none has no
// streams either, so that whatever is asked of its own is about nothing.
func refused(m *nats.Msg) bool {
	var a struct {
		Error *struct{} `json:"error"`
	}
	return json.Unmarshal(m.Data, &a) == nil && a.Error != nil
}
