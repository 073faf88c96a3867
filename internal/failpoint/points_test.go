package failpoint_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/internal/failpoint"
)

// writes are the names of functions that leave something behind which outlives
// the process, or that let a request out.
var writes = []string{
	"Publish", "PublishMsg", "PublishAsync", "PublishMsgAsync", "Create", "Update", "Put", "PutString", "Delete", "Purge",
	"SecureDeleteMsg",
	"Ack", "DoubleAck", "AckSync", "Nak", "NakWithDelay", "Term", "TermWithReason",
	"CreateStream", "UpdateStream", "CreateOrUpdateStream", "DeleteStream", "CreateConsumer", "UpdateConsumer",
	"CreateOrUpdateConsumer", "DeleteConsumer", "CreateKeyValue", "UpdateKeyValue", "CreateOrUpdateKeyValue", "DeleteKeyValue",
	"RoundTrip", "RequestMsgWithContext", "RequestWithContext", "RequestMsg", "PublishRequest",
}

// wrapped are calls of our own that stand for a write further below. The points
// are around them.
var wrapped = map[string]string{
	"internal/groupcommit/wire.go c.request":     "RequestMsgWithContext",
	"internal/queue/queue.go q.enqueue":          "Publish",
	"internal/queue/queue.go q.publish":          "PublishMsg",
	"internal/queue/bury.go q.publish":           "PublishMsg",
	"internal/providerhttp/conn.go c.Conn.Write": "RoundTrip",
	"internal/topology/setup.go step":            "CreateStream and the like",
}

// free are writes without points, and why.
var free = map[string]string{
	"internal/ledger/ledger.go l.nc.RequestMsgWithContext":  "the points are around l.commits.Publish in append.go; the rest are reads",
	"internal/groupcommit/wire.go nc.RequestMsgWithContext": "the points are around Publish where it is asked for",
	"internal/queue/queue.go q.commits.Publish":             "the points are around q.enqueue",
	"internal/queue/queue.go q.js.PublishMsg":               "the points are around q.publish",
	"internal/providerhttp/client.go c.transport.RoundTrip": "its bytes go through conn.Write, and http.answer stands behind it",
	"internal/topology/setup.go b.js.CreateStream":          "setup.step stands around it",
	"internal/topology/setup.go b.js.UpdateStream":          "setup.step stands around it",
	"internal/topology/setup.go b.js.CreateConsumer":        "setup.step stands around it",
	"internal/topology/setup.go b.js.UpdateConsumer":        "setup.step stands around it",
	"internal/topology/setup.go b.js.CreateKeyValue":        "setup.step stands around it",
	"internal/pull/message.go m.msg.Ack":                    "the points are where the worker and the dispatcher acknowledge",
	"internal/pull/message.go m.msg.AckSync":                "the points are where the worker and the dispatcher acknowledge",
	"internal/pull/message.go m.msg.Nak":                    "the points are where the worker and the dispatcher give back",
	"internal/pull/message.go m.msg.NakWithDelay":           "the points are where the worker and the dispatcher give back",
	"internal/pull/message.go m.msg.Term":                   "nobody asks for it: a message is buried and acknowledged",
	"internal/pull/message.go m.nc.Publish":                 "nobody asks for it: a message is buried and acknowledged",
	"internal/pull/line.go msg.Nak":                         "nothing was begun; a lost word costs the ack wait",
	"internal/worker/consume.go msg.Nak":                    "nothing was begun; a lost word costs the ack wait",
	"internal/ratelimit/fence.go f.js.Conn().Publish":       "a courtesy to other replicas that nothing keeps",
	"internal/pull/source.go s.nc.PublishRequest":           "asks for messages, which nothing keeps",
	"internal/service/service.go s.nc.PublishMsg":           "the answer to a question, which nothing keeps",
	"internal/fence/look.go js.Conn().RequestWithContext":   "a read",
	"internal/lane/certain.go js.Conn().RequestWithContext": "a read",
	"pkg/client/ask.go c.nc.RequestWithContext":             "upstream's own, and a question, which nothing keeps",
	"pkg/client/send.go s.c.js.PublishMsg":                  "upstream's own; its tests cut the connection there",
	"pkg/client/watch.go c.js.CreateConsumer":               "upstream's own; its tests cut the connection there",
	"pkg/providers/balancesteam/client.go c.http.Create":    "http.write stands in the client below",
	"pkg/providers/gamesdrop/client.go c.http.Create":       "http.write stands in the client below",
	"pkg/providers/skinsback/client.go c.http.Create":       "http.write stands in the client below",
	"pkg/providers/skinsback/provider.go p.client.Create":   "http.write stands in the client below",
}

// pipeline are the folders whose programs may be killed. What upstream, people
// and tests write is theirs to repeat.
var pipeline = []string{
	"internal/app", "internal/dispatcher", "internal/fence", "internal/forget", "internal/groupcommit", "internal/lane", "internal/ledger", "internal/operator", "internal/order",
	"internal/orders", "internal/programs", "internal/providerhttp", "internal/pull", "internal/queue", "internal/ratelimit",
	"internal/service", "internal/telemetry", "internal/topology", "internal/webhook", "internal/worker", "pkg",
}

const root = "../.."

// source is one file of the pipeline.
type source struct {
	path string // from the root, with slashes
	file *ast.File
	fset *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, dir := range pipeline {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil && d == nil:
				return nil // a folder that this version does not have
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "testdata" || strings.HasSuffix(d.Name(), "test")):
				return filepath.SkipDir
			case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, path)
			all = append(all, source{filepath.ToSlash(rel), file, fset})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(all) < 100 {
		t.Fatalf("only %d files: the test looks in the wrong place", len(all))
	}
	return all
}

// text is a call's function as it is written: "l.nc.Publish".
func text(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return text(x.X) + "." + x.Sel.Name
	case *ast.CallExpr:
		return text(x.Fun) + "()"
	case *ast.IndexExpr:
		return text(x.X) + "[]"
	case *ast.ParenExpr:
		return text(x.X)
	default:
		return "?"
	}
}

// point is a call of Hit or HitOf in a function.
type point struct {
	pos  token.Pos
	name string
}

// calls lists the points and the writes of a function, in the order of the text.
func calls(s source, fn *ast.FuncDecl) (points []point, found []*ast.CallExpr, faults []string) {
	ast.Inspect(fn, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		name := text(call.Fun)
		if name == "failpoint.Hit" || name == "failpoint.HitOf" {
			lit, ok := call.Args[0].(*ast.BasicLit)
			if !ok {
				faults = append(faults, "a point's name must be a literal")
				return true
			}
			value, _ := strconv.Unquote(lit.Value)
			points = append(points, point{call.Pos(), value})
			return true
		}
		last := name[strings.LastIndex(name, ".")+1:]
		_, own := wrapped[s.path+" "+name]
		if own || strings.Contains(name, ".") && slices.Contains(writes, last) && !strings.HasPrefix(name, "slices.") { // a list in memory
			found = append(found, call)
		}
		return true
	})
	slices.SortFunc(points, func(a, b point) int { return int(a.pos - b.pos) })
	return points, found, faults
}

// enclosed reports whether the nearest points around a call are the two of one
// write.
func enclosed(points []point, at token.Pos) bool {
	before, after := "", ""
	for _, p := range points {
		if p.pos < at {
			before = p.name
		} else if after == "" {
			after = p.name
		}
	}
	base, ok := strings.CutSuffix(before, ".before")
	return ok && after == base+".after"
}

// uncovered lists the writes of a source without points around them, and the
// keys of the exceptions that it has used.
func uncovered(s source) (bad, used []string) {
	for _, d := range s.file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		points, found, faults := calls(s, fn)
		for _, f := range faults {
			bad = append(bad, s.path+": "+fn.Name.Name+": "+f)
		}
		for _, call := range found {
			key := s.path + " " + text(call.Fun)
			if free[key] != "" {
				used = append(used, key)
				continue
			}
			if wrapped[key] != "" {
				used = append(used, key)
			}
			if !enclosed(points, call.Pos()) {
				bad = append(bad, fmt.Sprintf("%s: %s in %s has no point before and after it", s.fset.Position(call.Pos()), text(call.Fun), fn.Name.Name))
			}
		}
	}
	return bad, used
}

// A write without points is one at which nobody has ever tried to die.
func TestPoints_StandBeforeAndAfterEveryWriteAndEveryRequest(t *testing.T) {
	t.Parallel()
	var used []string
	for _, s := range sources(t) {
		bad, keys := uncovered(s)
		for _, b := range bad {
			t.Error(b)
		}
		used = append(used, keys...)
	}
	for key := range free {
		if !slices.Contains(used, key) {
			t.Errorf("the exception %q is of a call that is not there any more", key)
		}
	}
	for key := range wrapped {
		if !slices.Contains(used, key) {
			t.Errorf("%q is not there any more: what stands around it now?", key)
		}
	}
}

// The test above must see: each of these would slip through a worse one.
func TestPoints_AWriteWithoutThemIsSeen(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"none":            `_, _ = kv.Put(ctx, "k", nil)`,
		"only before":     `failpoint.Hit("a.before"); _, _ = kv.Put(ctx, "k", nil)`,
		"only after":      `_, _ = kv.Put(ctx, "k", nil); failpoint.Hit("a.after")`,
		"of two writes":   `failpoint.Hit("a.before"); _, _ = kv.Put(ctx, "k", nil); failpoint.Hit("b.after")`,
		"behind another":  `failpoint.Hit("a.before"); failpoint.Hit("a.after"); js.Publish(ctx, "s", nil)`,
		"in a closure":    `go func() { _ = msg.Ack() }()`,
		"not a literal":   `failpoint.Hit(name); _ = 1`,
		"over a new call": `nc.PublishMsg(m)`,
	} {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "a.go", "package a\nfunc f() {\n"+body+"\n}", 0)
		if err != nil {
			t.Fatal(err)
		}
		if bad, _ := uncovered(source{"internal/a/a.go", file, fset}); len(bad) == 0 {
			t.Errorf("%s: not seen", name)
		}
	}
	whole := "package a\nfunc f() { failpoint.Hit(\"a.before\"); if x { kv.Create() } else { kv.Update() }; failpoint.Hit(\"a.after\") }"
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "a.go", whole, 0)
	if err != nil {
		t.Fatal(err)
	}
	if bad, _ := uncovered(source{"internal/a/a.go", file, fset}); len(bad) > 0 {
		t.Error(bad)
	}
}

// A name that is in the table and nowhere else would be a case that is never
// reached; one that is not in it would never be tried.
func TestPoints_TheTableNamesWhatTheSourcesHave(t *testing.T) {
	t.Parallel()
	times := map[string]int{}
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				points, _, _ := calls(s, fn)
				for _, p := range points {
					times[p.name]++
				}
			}
		}
	}
	for _, name := range failpoint.Names() {
		if times[name] != 1 {
			t.Errorf("%s stands %d times in the sources, not once", name, times[name])
		}
		delete(times, name)
	}
	for name := range times {
		t.Errorf("%s is not in the table", name)
	}
}
