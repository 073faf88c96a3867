package webhook_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/internal/webhook"
	"github.com/beltline-io/beltline/pkg/messages"
)

func door(t testing.TB, edits ...func(*webhook.Options)) *webhook.Door {
	t.Helper()
	d, err := webhook.New(nil, nil, options(edits...))
	must(t, err)
	return d
}

// Addresses that were given to a provider must be understood for as long as
// the order lives, by later versions too.
func TestCallbackURL_IsTheSameInEveryVersion(t *testing.T) {
	t.Parallel()
	d := door(t, func(o *webhook.Options) {
		o.PublicURL, o.Secrets = "https://pay.example.com/in/", []secret.String{secret.New("0123456789abcdef")}
	})
	const want = "https://pay.example.com/in/hook/skinsback/acme/ord-1/uij7zbtko5lcq572ua2bzcc5p5agyhrx"
	if got := d.CallbackURL("acme", "ord-1"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestCallbackURL_FollowsTheContractAndNothingElse(t *testing.T) {
	t.Parallel()
	d := door(t)
	form := regexp.MustCompile(`^http://127\.0\.0\.1/hook/skinsback/[A-Za-z0-9_-]{1,64}/[A-Za-z0-9_-]{1,64}/[a-z2-7]{32}$`)
	rapid.Check(t, func(rt *rapid.T) {
		tenant := rapid.StringMatching(`[A-Za-z0-9_.*>/ -]{0,66}`).Draw(rt, "tenant")
		id := rapid.StringMatching(`[A-Za-z0-9_.*>/ -]{0,66}`).Draw(rt, "order")
		got := d.CallbackURL(tenant, id)
		if ok := messages.ValidTenant(tenant) && messages.ValidToken(id); ok != form.MatchString(got) || (!ok && got != "") {
			rt.Fatalf("%q %q: %q", tenant, id, got)
		}
	})
}

func TestCallbackURL_EveryOrderHasATokenOfItsOwn(t *testing.T) {
	t.Parallel()
	tokens := map[string]string{}
	for name, edit := range map[string]func(*webhook.Options){
		"as it is": func(*webhook.Options) {}, "another provider": func(o *webhook.Options) { o.Provider = messages.Exchanger },
		"another key": func(o *webhook.Options) { o.Secrets = []secret.String{secret.New(key + "x")} },
	} {
		d := door(t, edit)
		for _, order := range [][2]string{{"acme", "o-1"}, {"acme", "o-2"}, {"acmeo", "-1"}, {"acm", "eo-1"}, {"o-1", "acme"}} {
			u := d.CallbackURL(order[0], order[1])
			tok := u[strings.LastIndex(u, "/")+1:]
			if first := tokens[tok]; first != "" {
				t.Errorf("%s: %v has the token of %s", name, order, first)
			}
			tokens[tok] = name + " " + order[0] + "/" + order[1]
		}
	}
	if len(tokens) != 15 {
		t.Errorf("%d tokens", len(tokens))
	}
}

// The answer to a wrong token must not differ from that to a path that does
// not exist, or it would tell which tenants and orders are worth trying.
func TestDoor_AWrongTokenLooksLikeAPathThatDoesNotExist(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	d := r.open(t)
	want := d.post(t, "/no/such/path", "x")
	want.is(t, http.StatusNotFound)
	want.header.Del("Date")
	good := path(t, d.Door, "o-1")
	for _, p := range []string{
		"/", good[:len(good)-1], good[:len(good)-32] + strings.Repeat("a", 32),
		strings.Replace(good, "o-1", "o-2", 1), strings.Replace(good, "acme", "none", 1),
	} {
		got := d.post(t, p, signed("success", "77"))
		got.header.Del("Date")
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(answer{})); diff != "" {
			t.Errorf("%s: %s", p, diff)
		}
	}
}

// Every key is compared with, whichever fits and whatever was sent: the number
// of comparisons, and so the time, tells nothing of the keys.
func TestDoor_ComparesWithEveryKeyWhateverWasSent(t *testing.T) {
	t.Parallel()
	keys := []secret.String{secret.New("first key, long enough"), secret.New("second key, long enough"), secret.New("third key, long enough")}
	d := door(t, func(o *webhook.Options) { o.Secrets = keys })
	compared := d.CountComparisons()
	for i, k := range keys {
		maker := door(t, func(o *webhook.Options) { o.Secrets = []secret.String{k} })
		if !d.Recognises(path(t, maker, "o-1")) || *compared != 3 {
			t.Errorf("key %d: %d comparisons", i, *compared)
		}
		*compared = 0
	}
	for _, wrong := range []string{"", "a", strings.Repeat("a", 32), strings.Repeat("a", 33), "é"} {
		if d.Recognises("/hook/skinsback/acme/o-1/"+wrong) || *compared != 3 {
			t.Errorf("%q: %d comparisons", wrong, *compared)
		}
		*compared = 0
	}
}

// hmac.Equal takes the same time wherever two texts differ; == does not. A
// clock in a test would say so on a quiet machine only, so the code is read.
func TestToken_IsComparedByNothingButHMACEqual(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "token.go", nil, 0)
	must(t, err)
	var equal, compared int
	ast.Inspect(file, func(n ast.Node) bool {
		fn, ok := n.(*ast.FuncDecl)
		if !ok || (fn.Name.Name != "accepts" && fn.Name.Name != "newKeyring") {
			return true
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.SelectorExpr:
				if p, ok := x.X.(*ast.Ident); ok && p.Name == "hmac" && x.Sel.Name == "Equal" {
					equal++
				}
			case *ast.BinaryExpr, *ast.BranchStmt:
				compared++
			case *ast.ReturnStmt:
				if fn.Name.Name == "accepts" && x.Pos() < fn.Body.List[len(fn.Body.List)-1].Pos() {
					compared++ // it may leave before the last key
				}
			}
			return true
		})
		return false
	})
	if equal != 1 || compared != 0 {
		t.Errorf("hmac.Equal is used %d times, and there are %d other ways out", equal, compared)
	}
}

// A token is no reason to let a name that breaks the contract into a subject.
func TestDoor_ARightTokenDoesNotMakeAWrongNameRight(t *testing.T) {
	t.Parallel()
	d := door(t)
	at := func(tenant, id string) string {
		return "/hook/" + string(provider) + "/" + tenant + "/" + id + "/" + tokenOf(tenant, id)
	}
	if !d.Recognises(at("acme", "o-1")) {
		t.Fatal("the test makes wrong tokens")
	}
	for _, name := range [][2]string{
		{"unknown", "o-1"}, {"_acme", "o-1"}, {"", "o-1"}, {"acme", ""}, {"acme", ">"}, {"*", "o-1"}, {"a.b", "o-1"},
		{"acme", "o.1"}, {"acme", ".."}, {"acme", "o\x00"}, {"acme", strings.Repeat("o", 65)}, {"é", "o-1"},
	} {
		if d.Recognises(at(name[0], name[1])) {
			t.Errorf("%q was let in", name)
		}
	}
}

// The proxy in front may hand on the path of the public URL, or cut it off.
func TestDoor_ThePathOfThePublicURLMayArriveOrNot(t *testing.T) {
	t.Parallel()
	for _, public := range []string{"https://example.com/in/here/", "https://example.com/hook", "https://example.com/hook/skinsback"} {
		d := door(t, func(o *webhook.Options) { o.PublicURL = public })
		whole := path(t, d, "o-1")
		cut := whole[strings.LastIndex(whole, "/hook/"):]
		if !d.Recognises(whole) || !d.Recognises(cut) {
			t.Errorf("%s: whole %v, cut %v", public, d.Recognises(whole), d.Recognises(cut))
		}
		if d.Recognises("/in" + cut) {
			t.Errorf("%s: a path of its own was cut", public)
		}
	}
}
