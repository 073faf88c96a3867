package lint

import (
	"go/ast"
	"slices"
	"strings"
)

// security lists the rules that keep others out.
func security() []Rule {
	return []Rule{
		{
			Name:  "requests leave by the client of the providers only",
			Why:   "an address that came in an order or an answer would be asked from inside our network",
			Check: requests,
		},
		{
			Name:  "TLS takes no certificate unseen and no old version",
			Why:   "whoever stands in between would read our keys",
			Check: weakTLS,
		},
	}
}

// senders are the packages that may open connections of their own: one to the
// provider that the configuration names, the next to pages that an operator
// names, and a measurement to the processes that it has started itself. Addresses that came in data, such as where a customer pays and where
// the shop sends them afterwards, are passed on and asked by nobody.
var senders = []string{"internal/providerhttp", "internal/doctor", "internal/bench"}

// openers make connections, or what makes them.
var openers = []string{
	"http.Get", "http.Post", "http.Head", "http.PostForm", "http.DefaultClient", "http.DefaultTransport", "http.Client", "http.Transport",
	"httputil.ReverseProxy", "net.Dial", "net.DialTimeout", "net.Dialer", "tls.Dial", "tls.Dialer", "tls.Client",
}

// requests finds what could send a request outside of the senders. Tests and
// fakes are callers of ours, and not meant.
func requests(t *Tree) []Violation {
	var found []Violation
	wanted := func(f *File) bool {
		fake := below(f.Dir(), "pkg/providers") && strings.HasSuffix(f.Dir(), "test")
		return !f.Test() && !fake && !below(f.Dir(), "test") && !below(f.Dir(), "internal/natstest") && !slices.Contains(senders, f.Dir())
	}
	t.inspect(wanted, func(f *File, n ast.Node) {
		if x, ok := n.(*ast.SelectorExpr); ok && slices.Contains(openers, selector(x)) {
			found = append(found, t.at(f, x.Pos(), "%s outside of %s", selector(x), strings.Join(senders, ", ")))
		}
	})
	return found
}

// weakTLS finds connections that would take any certificate, or an old version
// of the protocol.
func weakTLS(t *Tree) []Violation {
	var found []Violation
	t.inspect(func(*File) bool { return true }, func(f *File, n ast.Node) {
		switch x := n.(type) {
		case *ast.Ident:
			if x.Name == "InsecureSkipVerify" {
				found = append(found, t.at(f, x.Pos(), "any certificate would be taken"))
			}
		case *ast.CompositeLit:
			if !f.Test() && selector(x.Type) == "tls.Config" && !modern(x) {
				found = append(found, t.at(f, x.Pos(), "tls.Config without MinVersion: tls.VersionTLS12 or later"))
			}
		}
	})
	return found
}

func modern(config *ast.CompositeLit) bool {
	return slices.ContainsFunc(config.Elts, func(e ast.Expr) bool {
		pair, ok := e.(*ast.KeyValueExpr)
		if !ok {
			return false
		}
		name, ok := pair.Key.(*ast.Ident)
		return ok && name.Name == "MinVersion" && slices.Contains([]string{"tls.VersionTLS12", "tls.VersionTLS13"}, selector(pair.Value))
	})
}
