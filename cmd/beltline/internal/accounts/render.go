package accounts

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// answerFor is how long an answer may take that the server lets through: no
// question is open for longer, and the server's own default is as long.
const answerFor = "2m"

// share is a subject of one account that others may use.
type share struct {
	subject      string
	stream, many bool
	with         []string
}

// shares are what an account lets others use.
func shares(account string, all []*role) []share {
	var found []share
	for _, r := range all {
		for _, g := range r.grants {
			if g.from != account {
				continue
			}
			i := slices.IndexFunc(found, func(s share) bool { return s.subject == g.subject && s.stream == g.stream })
			if i < 0 {
				found = append(found, share{subject: g.subject, stream: g.stream, many: g.many})
				i = len(found) - 1
			}
			if !slices.Contains(found[i].with, r.account) {
				found[i].with = append(found[i].with, r.account)
			}
		}
	}
	slices.SortFunc(found, func(a, b share) int {
		return cmp.Or(strings.Compare(a.subject, b.subject), strings.Compare(fmt.Sprint(a.stream), fmt.Sprint(b.stream)))
	})
	return found
}

// render writes the accounts. keys are the public keys by the roles' names.
func render(all []*role, keys map[string]string) string {
	var b strings.Builder
	b.WriteString("# Made by `beltline accounts`; what is changed here is lost when it runs again.\n" +
		"# An account for every role: nobody can so much as name a subject of another\n" +
		"# account that is not imported here. Nobody is a user of CORE.\n\n" +
		"system_account: " + system + "\n\naccounts: {\n")
	fmt.Fprintf(&b, "  %s: {\n    jetstream: enabled\n", core)
	renderExports(&b, shares(core, all))
	b.WriteString("  }\n")
	for _, r := range all {
		fmt.Fprintf(&b, "\n  # %s\n  %q: {\n", r.program, r.account)
		renderUser(&b, r, keys[r.name])
		renderExports(&b, shares(r.account, all))
		renderImports(&b, r.grants)
		b.WriteString("  }\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func renderUser(b *strings.Builder, r *role, key string) {
	if r.account == system {
		fmt.Fprintf(b, "    users: [ { nkey: %q } ]\n", key)
		return
	}
	fmt.Fprintf(b, "    users: [ { nkey: %q, permissions: {\n", key)
	renderList(b, "publish: { allow", r.sends(), " }")
	renderList(b, "subscribe: { allow", r.hears(), " }")
	if len(r.serves) > 0 {
		// Answers go where the question says, and nowhere else.
		fmt.Fprintf(b, "      allow_responses: { max: 1, expires: %q }\n", answerFor)
	}
	b.WriteString("    } } ]\n")
}

func renderList(b *strings.Builder, name string, subjects []string, end string) {
	fmt.Fprintf(b, "      %s: [\n", name)
	for _, s := range subjects {
		fmt.Fprintf(b, "        %q,\n", s)
	}
	fmt.Fprintf(b, "      ]%s\n", end)
}

func renderExports(b *strings.Builder, all []share) {
	if len(all) == 0 {
		return
	}
	b.WriteString("    exports: [\n")
	for _, s := range all {
		fmt.Fprintf(b, "      { %s: %q, %saccounts: [%s] },\n", kind(s.stream), s.subject, answers(s.many), quoted(s.with))
	}
	b.WriteString("    ]\n")
}

func renderImports(b *strings.Builder, grants []grant) {
	if len(grants) == 0 {
		return
	}
	b.WriteString("    imports: [\n")
	for _, g := range grants {
		to := ""
		if g.as != g.subject {
			to = fmt.Sprintf(", to: %q", g.as)
		}
		fmt.Fprintf(b, "      { %s: { account: %q, subject: %q }%s },\n", kind(g.stream), g.from, g.subject, to)
	}
	b.WriteString("    ]\n")
}

func kind(stream bool) string {
	if stream {
		return "stream"
	}
	return "service"
}

func answers(many bool) string {
	if many {
		return "response_type: \"stream\", "
	}
	return ""
}

func quoted(names []string) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(all, ", ")
}
