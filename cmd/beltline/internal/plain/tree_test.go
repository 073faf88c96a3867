package plain_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/pkg/money"
)

func TestTree_IsReadByAPersonAndKeepsEveryNumberToTheLetter(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 5, 30, 1, 500e6, time.UTC)
	got := plain.Tree(map[string]any{
		"witness": map[string]any{"balance_before": "5000.00", "other_creates": json.Number("0"), "at": at, "error": nil},
		"late":    []any{map[string]any{"input": "own_succeeded", "ids": []string{"1", "2"}}, "alone"},
		"cost":    money.Must("560.10", "RUB"),
		"exact":   json.Number("100.50"),
		"none":    []any{},
		"two":     "lines\nhere",
	}, 60)
	want := `cost: 560.10 RUB
exact: 100.50
late:
  1:
    ids: 1, 2
    input: own_succeeded
  2: alone
none: none
two:
  lines
  here
witness:
  at: ` + plain.Moment(at) + `
  balance before: 5000.00
  error: -
  other creates: 0`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTree_BreaksLongTextsAndLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a-z{}":,]{1,90}`), 1, 12).Draw(t, "words")
		text := strings.Join(words, " ")
		width := rapid.IntRange(20, 100).Draw(t, "width")
		tree := plain.Tree(map[string]any{"a": map[string]any{"answer": text}}, width)
		for line := range strings.SplitSeq(tree, "\n") {
			if len(line) > width && len(line) > len("    ")+20 {
				t.Errorf("%d bytes in %q", len(line), line)
			}
		}
		squeeze := func(s string) string { return strings.NewReplacer(" ", "", "\n", "").Replace(s) }
		if got := squeeze(tree); got != "a:answer:"+squeeze(text) {
			t.Errorf("%q became\n%s", text, tree)
		}
	})
}

func TestClean_NothingFromOutsideDrivesTheTerminal(t *testing.T) {
	t.Parallel()
	hostile := "paid\x1b[2J\x1b]0;x\a\r\u202egnorw\u0000\x9b31m"
	for _, text := range []string{plain.Clean(hostile), plain.Tree(map[string]any{hostile: []any{hostile}}, 80)} {
		if strings.ContainsAny(text, "\x1b\a\r\x00\u202e\u009b") || !strings.Contains(text, "paid") {
			t.Errorf("%q", text)
		}
	}
	if got := plain.Clean("оплачено €\tna"); got != "оплачено € na" {
		t.Errorf("%q", got)
	}
}
