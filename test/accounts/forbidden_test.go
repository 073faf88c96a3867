package accounts_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// serverConstants are the texts of all constants of the pinned server that
// begin like that, exported or not, from its sources.
func serverConstants(t *testing.T, begin string) (all []string) {
	t.Helper()
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/nats-io/nats-server/v2")
	cmd.Env = append(os.Environ(), "GOPROXY=off")
	dir, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "server", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the server has no sources: %v", err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && (g.Tok == token.CONST || g.Tok == token.VAR) {
				all = append(all, texts(g, begin)...)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func texts(g *ast.GenDecl, begin string) (all []string) {
	ast.Inspect(g, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil && strings.HasPrefix(s, begin) {
				all = append(all, s)
			}
		}
		return true
	})
	return all
}

// wild is what a constant leaves open.
var wild = regexp.MustCompile(`%s|\*|>$|\.$`)

// requests are all requests to JetStream that there are, with the prefix that
// the server gives them.
func requests(t *testing.T) (all []string) {
	t.Helper()
	for _, c := range serverConstants(t, "$JS.API") {
		if c == "$JS.API" || c == "$JS.API.>" {
			continue
		}
		all = append(all, fill(c)...)
	}
	// What the constants name by their beginning only.
	for _, s := range streamNames {
		for _, c := range consumerNames {
			all = append(all, "$JS.API.CONSUMER.MSG.NEXT."+s+"."+c, "$JS.API.CONSUMER.CREATE."+s+"."+c+".events.gamesdrop.other.o.>",
				"$JS.API.CONSUMER.CREATE."+s+"."+c+".events.*.other.>", "$JS.API.CONSUMER.CREATE."+s+"."+c+".dlq.orders.other",
				"$JS.API.CONSUMER.CREATE."+s+"."+c+".$KV.beltline.lane.other")
		}
		all = append(all, "$JS.API.DIRECT.GET."+s, "$JS.API.DIRECT.GET."+s+".$KV.beltline.fence.other")
	}
	slices.Sort(all)
	return slices.Compact(all)
}

var (
	streamNames = []string{
		"EVENTS", "ORDERS", "COMMANDS", "DLQ", "KV_beltline", "PERMITS_BALANCESTEAM", "PERMITS_SKINSBACK", "PERMITS_GAMESDROP", "PERMITS_EXCHANGER", "other",
	}
	consumerNames = []string{
		"dispatcher", "worker-balancesteam-place", "worker-balancesteam-follow", "worker-skinsback-place", "worker-skinsback-follow",
		"worker-gamesdrop-place", "worker-gamesdrop-follow", "worker-exchanger-place", "worker-exchanger-follow", "guessed",
	}
)

// fill puts every stream, and every consumer, where a constant leaves it open.
func fill(constant string) []string {
	found := wild.FindStringIndex(constant)
	if found == nil {
		return []string{constant}
	}
	names := streamNames
	if strings.Contains(constant[:found[0]], ".CONSUMER.") {
		for _, s := range streamNames {
			if strings.Contains(constant[:found[0]], "."+s+".") {
				names = consumerNames
			}
		}
	}
	var all []string
	for _, name := range names {
		end := ""
		if constant[found[0]:found[1]] == "." {
			name = "." + name
		}
		all = append(all, fill(constant[:found[0]]+name+end+constant[found[1]:])...)
	}
	return all
}

// others are the subjects of the pipeline and of the server.
func others(t *testing.T) (all []string) {
	t.Helper()
	tenants := []string{acme, shop2, "other", "unknown"}
	providers := []string{"balancesteam", "skinsback", "gamesdrop", "exchanger", "none"}
	for _, tenant := range tenants {
		for _, q := range []string{"submit", "cancel", "confirm", "other"} {
			all = append(all, "orders."+tenant+"."+q)
		}
		for _, m := range []string{"get", "history", "list", "other"} {
			all = append(all, "svc.orders."+tenant+"."+m)
		}
		all = append(all, "dlq.orders."+tenant, "_INBOX_tenant-"+tenant+".guessed")
	}
	for _, p := range providers {
		for _, tenant := range tenants[:3] {
			for _, typ := range []string{"accepted", "placing", "succeeded", "failed"} {
				all = append(all, "events."+p+"."+tenant+".topup."+typ)
			}
			for _, verb := range []string{"place", "check", "cancel", "confirm"} {
				all = append(all, "commands."+p+"."+verb+"."+tenant+".topup")
			}
			all = append(all, "schedules."+p+"."+tenant+".topup", "schedules."+p+"."+tenant+".topup.expire", keys+"suspect."+p+"."+tenant+".topup")
		}
		for _, m := range []string{"balance", "check_login", "gift_card_price", "deposit_status", "find_offer", "balance_transactions", "test", "calc", "bid_info", "partner_payouts"} {
			all = append(all, "svc.providers."+p+"."+m)
		}
		all = append(all, "permits."+p, "turns."+p, "dlq.commands."+p, "dlq.hooks."+p, keys+"lane."+p, "_INBOX_worker-"+p+".guessed",
			"$SRV.PING.provider-"+p, "$SRV.STATS.provider-"+p, "$SRV.INFO.provider-"+p)
	}
	for _, key := range []string{"namespace", "fence.ledger", "fence.events", "fence.doubt", "lease.sweeper", "lease.forget", "lease.payouts", "lease.payout.x", "sweeper", "sweeper.x.1", "other"} {
		all = append(all, keys+key)
	}
	for _, m := range []string{"list", "get", "history", "resolve", "lane", "other"} {
		all = append(all, "svc.operator."+m)
	}
	for _, s := range streamNames {
		for _, c := range consumerNames {
			all = append(all, "$JS.ACK."+s+"."+c+".1.1.1.1700000000000000000.0", "$JS.FC."+s+"."+c+".1")
		}
		all = append(all, "$JS.SNAPSHOT.ACK."+s+".x", "$JS.SNAPSHOT.RESTORE."+s+".x")
	}
	for _, c := range serverConstants(t, "$SYS.") {
		all = append(all, strings.TrimRight(wild.ReplaceAllString(strings.ReplaceAll(c, "%d", "1"), "CORE"), "."))
	}
	return append(all, "$SRV.PING", "$SRV.STATS", "$SRV.INFO", "$SRV.PING.orders", "$SRV.PING.operator", "_R_.guessed", "_INBOX_operator.guessed",
		"_INBOX_dispatcher.guessed", "_INBOX_setup.guessed", "_INBOX.guessed", "$SYS.REQ.USER.INFO", "$JS.EVENT.ADVISORY.API", "hello")
}

const keys = "$KV.beltline."

// universe is everything that anybody could try to publish to: each request to
// JetStream and each key by its own name, and by that which the prefix gives it.
func universe(t *testing.T) (all []string) {
	t.Helper()
	for _, s := range append(requests(t), others(t)...) {
		all = append(all, s)
		if rest, ok := strings.CutPrefix(s, "$JS.API."); ok {
			all = append(all, prefix+"."+rest)
		}
		if strings.HasPrefix(s, keys) {
			all = append(all, prefix+"."+s, "$JS.API.DIRECT.GET.KV_beltline."+s, prefix+".DIRECT.GET.KV_beltline."+s)
		}
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(s string) bool {
		return strings.ContainsAny(s, "% ") || strings.Contains(s, "..") ||
			strings.ContainsAny(s, "*>") && !strings.Contains(s, ".CONSUMER.CREATE.") // only a filter may be wild
	})
}

// forbidden tries as every role all that is not its own.
func (r *rig) forbidden() {
	before := r.holdings()
	all := universe(r.t)
	tried, refused, answered := 0, 0, 0
	for role, may := range allowed() {
		var mine []string
		for _, subject := range all {
			if !fits(may, subject) {
				mine = append(mine, subject)
			}
		}
		no, got := r.try(role, mine)
		tried, refused, answered = tried+len(mine), refused+no, answered+got
	}
	r.t.Logf("forbidden: %d of %d refused, %d answered", refused, tried, answered)
	r.deaf()
	r.diverted()
	if err := unchanged(before, r.holdings()); err != nil {
		r.t.Errorf("something was changed: %v", err)
	}
}

// try publishes to all subjects as a role, each with a reply subject of its own.
// The server takes them in order, so whatever it says about them it has said
// before it answers the ping behind them.
func (r *rig) try(role string, subjects []string) (refused, answered int) {
	r.t.Helper()
	var mu sync.Mutex
	denied := map[string]bool{}
	closed := make(chan struct{})
	nc := r.connect(role, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if !errors.Is(err, nats.ErrPermissionViolation) {
			return
		}
		if _, rest, ok := strings.Cut(err.Error(), `Publish to "`); ok {
			mu.Lock()
			subject, _, _ := strings.Cut(rest, `"`)
			denied[subject] = true
			if subject == last {
				close(closed)
			}
			mu.Unlock()
		}
	}))
	answers := map[string]bool{}
	inbox := "_INBOX_" + role + ".try"
	if _, err := nc.Subscribe(inbox+".*", func(m *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		i, _ := strconv.Atoi(m.Subject[len(inbox)+1:])
		answers[subjects[i]] = true
	}); err != nil {
		r.t.Fatal(err)
	}
	for i, subject := range subjects {
		if err := nc.PublishRequest(subject, inbox+"."+strconv.Itoa(i), nil); err != nil {
			r.t.Fatalf("%s: %s: %v", role, subject, err)
		}
	}
	// Errors are handed over in order, by a goroutine of the client: this is the last.
	if err := nc.Publish(last, nil); err != nil {
		r.t.Fatal(err)
	}
	if err := nc.FlushTimeout(patience); err != nil {
		r.t.Fatal(err)
	}
	r.await(role+" has heard what it may not do", func() bool {
		select {
		case <-closed:
			return true
		default:
			return false
		}
	})
	mu.Lock()
	defer mu.Unlock()
	for _, subject := range subjects {
		if answers[subject] {
			r.t.Errorf("%s got an answer from %s", role, subject)
		}
		if !denied[subject] {
			r.t.Errorf("%s was not refused to publish to %s", role, subject)
			continue
		}
		refused++
	}
	return refused, len(answers)
}

// deaf tries as every role to listen where it has no business.
func (r *rig) deaf() {
	tried, refused := 0, 0
	for role := range allowed() {
		subjects := []string{
			">", "*.>", "events.>", "orders.>", "commands.>", "dlq.>", "permits.>", "svc.>", "_INBOX.>", "_R_.>", "$JS.>", "$JS.EVENT.ADVISORY.>", "$SYS.>", "$KV.>", "beltline.>", "turns.*", "turns.none",
		}
		for other := range allowed() {
			if other != role {
				subjects = append(subjects, "_INBOX_"+other+".>")
			}
		}
		for _, p := range shops {
			if role != "worker-"+p {
				subjects = append(subjects, "turns."+p, "svc.providers."+p+".balance")
			}
		}
		for _, subject := range subjects {
			tried++
			if r.refusedToHear(role, subject) {
				refused++
			}
		}
	}
	r.t.Logf("forbidden: %d of %d subscriptions refused", refused, tried)
}

// refusedToHear subscribes on a connection of its own, and waits for the refusal.
func (r *rig) refusedToHear(role, subject string) bool {
	r.t.Helper()
	refused := make(chan struct{}, 1)
	nc, err := nats.Connect(r.url, append(r.how(role), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrPermissionViolation) {
			select {
			case refused <- struct{}{}:
			default:
			}
		}
	}))...)
	if err != nil {
		r.t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Subscribe(subject, func(*nats.Msg) {}); err != nil {
		r.t.Fatal(err)
	}
	if err := nc.FlushTimeout(patience); err != nil {
		r.t.Fatal(err)
	}
	select {
	case <-refused:
		return true
	case <-time.After(patience):
		r.t.Errorf("%s may listen on %s", role, subject)
		return false
	}
}

// last is a subject that nobody may publish to.
const last = "the.last.one"

// holdings are the streams and consumers that there are, and how far the ledger
// and the queues have come.
func (r *rig) holdings() (all []string) {
	r.t.Helper()
	js := r.js("operator")
	for _, name := range streamNames[:len(streamNames)-1] {
		s, err := js.Stream(r.t.Context(), name)
		if err != nil {
			r.t.Errorf("stream %s: %v", name, err)
			continue
		}
		i := s.CachedInfo()
		line := name + " made " + i.Created.String() + " " + strconv.Itoa(len(i.Config.Subjects))
		if name == "EVENTS" || name == "ORDERS" || name == "COMMANDS" || name == "DLQ" {
			line += " ends at " + strconv.FormatUint(i.State.LastSeq, 10)
		}
		all = append(all, line)
	}
	return all
}

// matches reports whether a subject fits a pattern of NATS.
func matches(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, t := range p {
		switch {
		case t == ">":
			return len(s) > i
		case i >= len(s), t != "*" && t != s[i]:
			return false
		}
	}
	return len(p) == len(s)
}
