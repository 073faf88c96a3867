package order_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/order"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestDocument_IsTheOneInDocs(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "state-machine.md")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(order.Document()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(order.Document(), string(got)); diff != "" {
		t.Errorf("docs/state-machine.md is out of date; run go generate ./internal/order\n%s", diff)
	}
}

func TestDocument_HasAWordForEveryStateAndInput(t *testing.T) {
	t.Parallel()
	for _, s := range order.States() {
		if order.StateText(s) == "" {
			t.Errorf("no word for state %q", s)
		}
	}
	names := map[string]bool{}
	for _, in := range order.Inputs() {
		if order.InputText(in) == "" || in.String() == "" || names[in.String()] {
			t.Errorf("input %q has no word or no name of its own", in)
		}
		names[in.String()] = true
	}
	if got := order.Input(250).String(); got != "input(250)" {
		t.Errorf("an unknown input is called %q", got)
	}
	if strings.Contains(order.Document(), " ? |") {
		t.Error("a cell of the table has no sign")
	}
}
