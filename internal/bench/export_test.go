package bench

import "github.com/HdrHistogram/hdrhistogram-go"

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
