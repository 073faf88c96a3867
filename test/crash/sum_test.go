package main_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	main "github.com/beltline-io/beltline/test/crash"
	"github.com/beltline-io/beltline/test/crash/rig"
)

// summed adds up some results, as they stand in a file.
func summed(t *testing.T, all ...rig.Result) (text string, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "results.jsonl")
	for _, r := range all {
		if err := r.Append(path); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	err = main.SumFile(&out, path)
	return out.String(), err
}

// line finds a row of the table.
func line(t *testing.T, text, name string) []string {
	t.Helper()
	for row := range strings.SplitSeq(text, "\n") {
		cells := strings.Split(row, "|")
		if len(cells) > 2 && strings.EqualFold(strings.TrimSpace(cells[1]), name) {
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			return cells[2 : len(cells)-1]
		}
	}
	t.Fatalf("there is no row %q in\n%s", name, text)
	return nil
}

func TestSum_AddsUpEachFormAndAll(t *testing.T) {
	t.Parallel()
	text, err := summed(t,
		rig.Result{Seed: 1, Orders: 100, Deaths: 20, ServerKills: 5, Operator: map[string]int{"balancesteam": 3}},
		rig.Result{Seed: 2, Nodes: 1, Orders: 200, Deaths: 20, ServerKills: 5, Operator: map[string]int{"balancesteam": 4}, Why: map[string]int{"balancesteam topup no_answer": 4}, Recovery: rig.Recovery{Orders: 8, AckWait: 900, InTime: 6}},
		rig.Result{Seed: 1, Nodes: 3, Orders: 1000, Deaths: 200, ServerKills: 50, LeaderKills: 30, Operator: map[string]int{"gamesdrop": 1}, Recovery: rig.Recovery{Orders: 7}},
		rig.Result{Seed: 1, Form: "directed", Nodes: 1, Orders: 10, Deaths: 10},
		rig.Result{Seed: 9, Naive: "balancesteam", Orders: 400, BoughtTwice: 7, Broken: map[string]int{"I1": 7}},
	)
	if err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	for name, want := range map[string]string{
		"orders":                                      "300 1000 10 1310",
		"runs":                                        "2 1 1 4",
		"deaths of workers and dispatchers":           "40 200 10 250",
		"kills of NATS servers":                       "10 50 0 60",
		"of these, of leaders":                        "0 30 0 30",
		"the operator's, balancesteam":                "7 0 0 7",
		"of these topup, since it is told":            "4 0 0 4",
		"next event within ACK_WAIT + 1 s of a death": "75.00 % of 8 not counted not counted 75.00 % of 8",
		"bought twice":                                "0 (below 0.06 of the deaths) 0 (below 0.01 of the deaths) 0 (below 0.3 of the deaths) 0 (below 0.01 of the deaths)",
		"runs in which any invariant broke":           "0 0 0 0",
	} {
		if got := strings.Join(line(t, text, name), " "); got != want {
			t.Errorf("%s: %s, not %s", name, got, want)
		}
	}
	if !strings.Contains(text, "caught in 1 of 1 runs, with 7 orders") || strings.Contains(text, "seed of an earlier") {
		t.Error(text)
	}
}

func TestSum_ABrokenRunIsNeverAddedAway(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]rig.Result{
		"bought twice":         {BoughtTwice: 1, Deaths: 10, Broken: map[string]int{"I1": 1}},
		"anything else broken": {Deaths: 10, Broken: map[string]int{"I8": 1}},
		"a blind control":      {Naive: "balancesteam"},
	} {
		text, err := summed(t, rig.Result{Seed: 1, Deaths: 10_000}, r)
		if r.Naive == "" && !strings.Contains(text, "broken: 1 node, seed 0 of : I") {
			t.Errorf("%s: it is not said which run it was\n%s", name, text)
		}
		if err == nil {
			t.Errorf("%s: no error\n%s", name, text)
		}
	}
	text, _ := summed(t, rig.Result{Seed: 1, Deaths: 10_000}, rig.Result{Seed: 1, BoughtTwice: 1})
	if got := line(t, text, "bought twice"); got[0] != "1" {
		t.Errorf("bought twice: %v", got)
	}
	if !strings.Contains(text, "1 runs had the seed of an earlier one") {
		t.Error(text)
	}
}

func TestSum_ALineThatIsCutOffIsNamed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "results.jsonl")
	if err := os.WriteFile(path, []byte("{\"seed\":1}\n{\"seed\":"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := main.SumFile(&bytes.Buffer{}, path); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v", err)
	}
}
