package beside_test

import (
	"testing"

	"github.com/beltline-io/beltline/test/hold/beside"
)

func TestCompare_TheIntervalHoldsARatioThatIsTheSameInEveryPair(t *testing.T) {
	t.Parallel()
	var loaded, empty []float64
	for i := range 100 {
		empty = append(empty, float64(i+1))
		loaded = append(loaded, 1.5*float64(i+1))
	}
	low, high := beside.Interval(loaded, empty)
	if low < 1.499 || high > 1.501 {
		t.Errorf("[%f, %f] of a ratio of 1.5", low, high)
	}
	if s := beside.SpreadOf(empty); s.P50 != 50 || s.P99 != 99 || s.Max != 100 {
		t.Errorf("%+v of 1 to 100", s)
	}
}
