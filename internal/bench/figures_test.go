package bench_test

import (
	"strings"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/beltline-io/beltline/internal/bench"
	"github.com/beltline-io/beltline/pkg/messages"
)

func rates(all ...float64) []bench.Figures {
	figures := make([]bench.Figures, len(all))
	for i, v := range all {
		figures[i].Steady, figures[i].Own.P99 = v, 1000/v
	}
	return figures
}

func TestMedian_TakesEachFigureByItself(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		of             []bench.Figures
		steady, latest float64
	}{
		{rates(10), 10, 100},
		{rates(40, 10), 25, 62.5}, // the mean of the two in the middle
		{rates(10, 1000, 20), 20, 50},
		{nil, 0, 0},
	} {
		if m := bench.Median(tt.of); m.Steady != tt.steady || m.Own.P99 != tt.latest {
			t.Errorf("%f and %f of %v", m.Steady, m.Own.P99, tt.of)
		}
	}
}

// A machine that is twice as slow in one round spoils no ratio: both sides of a
// ratio are of the same round. The ratio of the medians would be 1.
func TestRatios_AreOfTheSameRound(t *testing.T) {
	t.Parallel()
	bare, ours := rates(100, 50, 200), rates(200, 100, 100)
	if r := bench.Ratios(ours, bare); r.Steady != 2 || r.Own.P99 != 0.5 {
		t.Errorf("%f and %f of 2, 2 and 0.5", r.Steady, r.Own.P99)
	}
	if r := bench.Ratios(ours, rates(100, 100, 100)); r.Allocations != 0 {
		t.Errorf("a ratio %f to what was not measured", r.Allocations)
	}
}

func TestLatencyOf_TellsMilliseconds(t *testing.T) {
	t.Parallel()
	h := hdrhistogram.New(1, 1e9, 3)
	for i := range 1000 {
		if err := h.RecordValue(int64(i+1) * 1000); err != nil {
			t.Fatal(err)
		}
	}
	l := bench.LatencyOf(h, 30)
	near := func(a, b float64) bool { return a > b*0.999 && a < b*1.002 }
	if !near(l.P50, 500) || !near(l.P99, 990) || !near(l.Max, 1000) || l.Rate != 30 {
		t.Errorf("%+v of 1 to 1000 ms", l)
	}
}

func TestRatioCell_SaysWhetherATargetIsMet(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ratio, goal float64
		most        bool
		want        string
	}{
		{2, 2, false, "2.00 ✓"}, {1.99, 2, false, "1.99 ✗"}, {1.2, 1.2, true, "1.20 ✓"}, {1.25, 1.2, true, "1.25 ✗"}, {0.1, 1.2, true, "0.10 ✓"},
		{1.5, 0, false, "1.50  "}, {0, 2, false, ""},
	} {
		if got := bench.RatioCell(tt.ratio, tt.goal, tt.most); got != tt.want {
			t.Errorf("%f of %f: %q, not %q", tt.ratio, tt.goal, got, tt.want)
		}
	}
}

func TestJudge_SeesWhatIsMissingDoubledAndInvented(t *testing.T) {
	t.Parallel()
	customers := []string{"o0", "o1", "o2"}
	for name, tt := range map[string]struct {
		sold map[string]int
		want string // empty: nothing is wrong
	}{
		"all once":       {map[string]int{"o0": 1, "o1": 1, "o2": 1}, ""},
		"one twice":      {map[string]int{"o0": 1, "o1": 2, "o2": 1}, "2 times for order o1"},
		"one missing":    {map[string]int{"o0": 1, "o1": 1}, "0 times for order o2"},
		"one for nobody": {map[string]int{"o0": 1, "o1": 1, "o2": 1, "x": 1}, "4 customers, of 3"},
	} {
		err := bench.Judge(bench.Books{Sold: tt.sold}, customers)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestShop_SellsToWhoPaysAndToNobodyWhoAsks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		path, body, answer string
		sold               int
	}{
		{"/buy", `{"v":1,"id":"o1","provider":"shop"}`, `{"error":false,"id":`, 1},
		{"/api/v2/partner/check", "apikey=k&login_or_email=o1&service_id=5955", `"status":true`, 0},
		{"/api/v2/partner/create", "amount=1&apikey=k&login_or_email=o1&service_id=5955", `{"error":false,"id":`, 1},
		{"/api.php", "method=create&order_id=b1&steam_id=o1&trade_token=t", `{"status":"success","transaction_id":`, 1},
	} {
		answers, sold, err := bench.Answer(tt.path, tt.body, tt.body)
		if err != nil || !strings.Contains(answers[0], tt.answer) || sold["o1"] != 2*tt.sold {
			t.Errorf("%s: %v, %v, %v", tt.path, answers, sold, err)
		}
	}
	for path, body := range map[string]string{
		"/buy": "{}", "/api/v2/partner/create": "amount=1", "/api.php": "method=orderstatus&order_id=b1", "/": "", "/api/v2/partner/check": "%zz",
	} {
		if answers, sold, err := bench.Answer(path, body); err == nil || len(sold) > 0 {
			t.Errorf("%s %s: %v, %v", path, body, answers, sold)
		}
	}
}

func TestCheck_RefusesWhatCannotBeMeasured(t *testing.T) {
	t.Parallel()
	good := few(t, messages.Topup)
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*bench.Options){
		"no order":          func(o *bench.Options) { o.Orders = 0 },
		"no round":          func(o *bench.Options) { o.Rounds = 0 },
		"no mode":           func(o *bench.Options) { o.Modes = nil },
		"an unknown mode":   func(o *bench.Options) { o.Modes = []bench.Mode{"two-never"} },
		"no worker":         func(o *bench.Options) { o.Workers = []int{0} },
		"an unknown kind":   func(o *bench.Options) { o.Kind = messages.Exchange },
		"no time":           func(o *bench.Options) { o.Latency = 0 },
		"a negative rate":   func(o *bench.Options) { o.Rate = -1 },
		"nothing in flight": func(o *bench.Options) { o.InFlight = 0 },
	} {
		o := good
		spoil(&o)
		if o.Check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
