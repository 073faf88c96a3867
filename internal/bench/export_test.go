package bench

import (
	"context"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// twins is the bare loop where two orders have the same subject: whatever is
// done for one is refused to the other.
type twins struct{ bare }

func (twins) order(i int) (string, []byte) { return bare{}.order(i / 2) }

// FloodTwins submits orders of which every second one has no result.
func FloodTwins(ctx context.Context, o Options, quiet time.Duration) error {
	s, err := open(ctx, o, OneDefault, twins{}, false)
	if err != nil {
		return err
	}
	defer s.end()
	s.quiet = quiet
	_, err = s.flood(ctx, "twins", o.Orders)
	return err
}

// FloodWithout submits orders after the last program has died.
func FloodWithout(ctx context.Context, o Options) error {
	s, err := open(ctx, o, OneDefault, bare{}, false)
	if err != nil {
		return err
	}
	defer s.end()
	if err := s.programs[len(s.programs)-1].cmd.Process.Kill(); err != nil {
		return err
	}
	_, err = s.flood(ctx, "without", o.Orders)
	return err
}

// Books are what the shop has sold.
type Books = books

// Judge compares the books with the customers of all orders.
func Judge(b Books, customers []string) error { return b.judge(customers) }

// Median takes the median of each figure by itself.
func Median(all []Figures) Figures { return median(all) }

// Ratios takes the median of the ratios of each round.
func Ratios(rounds, base []Figures) Figures { return ratios(rounds, base) }

// LatencyOf reads quantiles in milliseconds from a histogram of microseconds.
func LatencyOf(h *hdrhistogram.Histogram, rate float64) Latency { return latencyOf(h, rate) }

// PackageShares adds up one value of a profile by packages.
func PackageShares(packed []byte, value string) ([]Share, error) { return packageShares(packed, value) }

// PackageOf is the package of a function.
func PackageOf(function string) string { return packageOf(function) }

// Answer is what the shop answers to a request, and Sold what its books then hold.
func Answer(path string, bodies ...string) (answers []string, sold map[string]int, err error) {
	s := &shop{books: books{Sold: map[string]int{}}}
	for _, body := range bodies {
		a, err := s.answer(path, body)
		if err != nil {
			return answers, s.Sold, err
		}
		answers = append(answers, a)
	}
	return answers, s.Sold, nil
}

// RatioCell shows a ratio beside a goal.
func RatioCell(ratio, goalRatio float64, most bool) string {
	return ratioCell(ratio, goal{goalRatio, most})
}
