package main_test

import (
	"testing"

	lifecycle "github.com/beltline-io/beltline/test/lifecycle"
)

// logged passes what a run tells on to the test's log.
type logged struct{ t *testing.T }

// Write implements [io.Writer].
func (l logged) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}

// How much longer orders take meanwhile is printed and not judged here: beside
// other tests the figure tells of them. `make bench-restart` judges it.
func TestRestart_OfEverythingUnderLoadLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	res, err := lifecycle.RollAll(t.Context(), 40, 120, 1, logged{t})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(res)
	if got := res.Noticed(); got != [3]int{} {
		t.Errorf("lost, bought twice, told of otherwise than bought: %v", got)
	}
	if succeeded, during := res.Shown(); succeeded < 120 || during == 0 {
		t.Errorf("%d orders succeeded, %d were handed in meanwhile: the run shows little", succeeded, during)
	}
}

func TestRestart_TheJudgeSeesWhatIsLostDoubledAndInvented(t *testing.T) {
	t.Parallel()
	bought := map[string]int{lifecycle.Account(0): 1, lifecycle.Account(2): 2, lifecycle.Account(3): 1}
	res := lifecycle.Compare([]string{"succeeded", "", "succeeded", "failed", "succeeded"}, bought)
	if got, want := res.Noticed(), [3]int{1, 1, 2}; got != want {
		t.Errorf("lost, twice, otherwise: %v, want %v", got, want)
	}
}
