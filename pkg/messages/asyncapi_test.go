package messages_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/beltline-io/beltline/pkg/messages"
)

const asyncFile = "../../docs/asyncapi.yaml"

// asyncDocument reads the document as plain JSON values.
func asyncDocument(t *testing.T) map[string]any {
	t.Helper()
	source, err := os.ReadFile(asyncFile)
	if err != nil {
		t.Fatal(err)
	}
	var fromYAML map[string]any
	if err := yaml.Unmarshal(source, &fromYAML); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func metaSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	s, err := c.Compile(filepath.Join("testdata", "asyncapi", "3.0.0.json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAsyncAPI_IsValidByTheOfficialSchema(t *testing.T) {
	t.Parallel()
	s, doc := metaSchema(t), asyncDocument(t)
	if err := s.Validate(doc); err != nil {
		t.Fatal(err)
	}
	doc["operations"].(map[string]any)["receiveOrder"].(map[string]any)["action"] = "buy"
	if s.Validate(doc) == nil {
		t.Error("the official schema takes anything")
	}
}

// resolve walks "#/a/b" through the document.
func resolve(doc any, ref string) (any, bool) {
	v := doc
	for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[part]; !ok {
			return nil, false
		}
	}
	return v, true
}

func TestAsyncAPI_EveryReferenceLeadsSomewhere(t *testing.T) {
	t.Parallel()
	doc := asyncDocument(t)
	used := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				file, local := strings.CutPrefix(ref, "./schemas/")
				if local {
					used[file] = true
					if messages.Schemas()[file] == nil {
						t.Errorf("%s is not a schema of ours", ref)
					}
				} else if _, found := resolve(doc, ref); !found {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, item := range v {
				walk(item)
			}
		}
	}
	walk(doc)
	for name := range messages.Schemas() {
		_, rest, _ := strings.Cut(name, ".")
		own, _, _ := strings.Cut(rest, ".") // svc.providers.request.json and its answer stand for those of each provider
		if !used[name] && !strings.HasPrefix(name, "order.") && !messages.Provider(own).Known() {
			t.Errorf("the document does not use %s", name)
		}
	}
}

// produced is every subject that pkg/messages makes, by the function that makes
// it, with placeholders for what varies.
func produced() map[string][]string {
	const p = messages.GamesDrop
	all := map[string][]string{
		"OrderSubject": {
			messages.OrderSubject("{tenant}", messages.SubmitRequest), messages.OrderSubject("{tenant}", messages.CancelRequest),
			messages.OrderSubject("{tenant}", messages.ConfirmRequest),
		},
		"EventSubject":           {messages.EventSubject(p, "{tenant}", "{order_id}", "{type}")},
		"CommandSubject":         {messages.CommandSubject(p, "{verb}", "{tenant}", "{order_id}")},
		"ScheduleSubject":        {messages.ScheduleSubject(p, "{tenant}", "{order_id}")},
		"ExpireSubject":          {messages.ExpireSubject(p, "{tenant}", "{order_id}")},
		"PermitSubject":          {p.PermitSubject()},
		"TurnSubject":            {p.TurnSubject()},
		"DeadOrders":             {strings.Replace(messages.DeadOrders("acme"), "acme", "{tenant}", 1)},
		"DeadCommands":           {messages.DeadCommands(p)},
		"DeadHooks":              {messages.DeadHooks(p)},
		"ProviderServiceSubject": {messages.ProviderServiceSubject(p, "{method}")},
	}
	for _, m := range messages.OrdersMethods() {
		all["OrdersServiceSubject"] = append(all["OrdersServiceSubject"], messages.OrdersServiceSubject("{tenant}", m))
	}
	for _, m := range messages.OperatorMethods() {
		all["OperatorServiceSubject"] = append(all["OperatorServiceSubject"], messages.OperatorServiceSubject(m))
	}
	for name, subjects := range all {
		for i := range subjects {
			all[name][i] = strings.Replace(subjects[i], string(p), "{provider}", 1)
		}
	}
	return all
}

// subjectFunctions lists the functions of the package that make a subject.
func subjectFunctions(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, file := range []string{"subjects.go", "services.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if ok && !strings.HasPrefix(f.Name.Name, "Parse") && (strings.HasSuffix(f.Name.Name, "Subject") || strings.HasPrefix(f.Name.Name, "Dead")) {
				names = append(names, f.Name.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func TestAsyncAPI_HasTheSubjectsOfTheCodeAndNoOthers(t *testing.T) {
	t.Parallel()
	all := produced()
	if diff := cmp.Diff(subjectFunctions(t), slices.Sorted(maps.Keys(all))); diff != "" {
		t.Errorf("this test does not know every function that makes a subject:\n%s", diff)
	}
	want := slices.Sorted(func(yield func(string) bool) {
		for _, subjects := range all {
			for _, s := range subjects {
				if !yield(s) {
					return
				}
			}
		}
	})
	var got []string
	for name, c := range asyncDocument(t)["channels"].(map[string]any) {
		channel := c.(map[string]any)
		address, ok := channel["address"].(string)
		if !ok {
			if name != "replies" {
				t.Errorf("channel %s has no address", name)
			}
			continue
		}
		got = append(got, address)
		if stream, want := channel["x-stream"], streamOf(address); stream != want {
			t.Errorf("%s is in the stream %v, not %v", address, stream, want)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("subjects of the code, and of the document:\n%s", diff)
	}
}

// streamOf says which stream holds a subject; none holds those of services.
func streamOf(subject string) any {
	first, _, _ := strings.Cut(subject, ".")
	switch first {
	case "orders":
		return messages.StreamOrders
	case "commands", "schedules":
		return messages.StreamCommands
	case "events":
		return messages.StreamEvents
	case "dlq":
		return messages.StreamDLQ
	case "permits":
		return strings.Replace(messages.GamesDrop.PermitStream(), "GAMESDROP", "{PROVIDER}", 1)
	default:
		return nil
	}
}

func TestAsyncAPI_ListsTheWordsOfTheCode(t *testing.T) {
	t.Parallel()
	doc := asyncDocument(t)
	methods := map[string]bool{}
	var providers, types []any
	for _, p := range messages.Providers() {
		providers = append(providers, string(p))
		for _, m := range p.ServiceMethods() {
			methods[m] = true
		}
	}
	for _, typ := range messages.Types() {
		types = append(types, string(typ))
	}
	var sorted []any
	for _, m := range slices.Sorted(maps.Keys(methods)) {
		sorted = append(sorted, m)
	}
	for ref, want := range map[string][]any{
		"#/components/parameters/provider/enum":       providers,
		"#/components/parameters/providerOrNone/enum": append(slices.Clone(providers), string(messages.NoProvider)),
		"#/components/schemas/provider/enum":          providers,
		"#/components/parameters/type/enum":           types,
		"#/components/parameters/method/enum":         sorted,
		"#/components/parameters/verb/enum":           {string(messages.Place), string(messages.Check), string(messages.Cancel), string(messages.Confirm)},
		"#/components/messages/deadLetter/headers/required": {
			messages.HeaderReason, messages.HeaderError, messages.HeaderOrigin,
		},
		"#/components/messages/deadLetter/headers/properties/Beltline-Reason/enum": {
			string(messages.ReasonInvalidOrder), string(messages.ReasonOrderConflict),
			string(messages.ReasonUnknownOrder), string(messages.ReasonCommandUnprocessable),
		},
	} {
		got, _ := resolve(doc, ref)
		if diff := cmp.Diff(any(want), got); diff != "" {
			t.Errorf("%s:\n%s", ref, diff)
		}
	}
	if _, found := resolve(doc, "#/components/messages/deadLetter/headers/properties/"+messages.HeaderOrderID); !found {
		t.Error("the header of the order id is missing")
	}
}

func TestAsyncAPI_MetaSchemaIsTheOneThatWasVendored(t *testing.T) {
	t.Parallel()
	sources, err := os.ReadFile(filepath.Join("testdata", "asyncapi", "SOURCES.md"))
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256Hex(mustRead(filepath.Join("testdata", "asyncapi", "3.0.0.json"))); !bytes.Contains(sources, []byte(sum)) {
		t.Errorf("SOURCES.md does not name %s", sum)
	}
}

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
