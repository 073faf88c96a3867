package beside

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Weights are the memory of one program on both systems.
type Weights struct {
	When    string `json:"when"`
	Program string `json:"program"`
	Loaded  Memory `json:"loaded"`
	Empty   Memory `json:"empty"`
}

// Stored is the size of a stream's files on both systems, in bytes.
type Stored struct {
	Stream string `json:"stream"`
	Loaded int64  `json:"loaded"`
	Empty  int64  `json:"empty"`
}

// Weigh reads the memory of all programs.
func Weigh(ctx context.Context, loaded, empty *System, when string) ([]Weights, error) {
	var all []Weights
	for i, p := range loaded.Processes() {
		a, err := p.Memory(ctx)
		if err != nil {
			return nil, err
		}
		b, err := empty.Processes()[i].Memory(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, Weights{When: when, Program: p.Program, Loaded: a, Empty: b})
	}
	return all, nil
}

// Size reads the size of all streams, and adds them up under the name "all".
func Size(loaded, empty *System) ([]Stored, error) {
	a, err := loaded.Disk()
	if err != nil {
		return nil, err
	}
	b, err := empty.Disk()
	if err != nil {
		return nil, err
	}
	all, sum := []Stored(nil), Stored{Stream: "all"}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		all = append(all, Stored{Stream: name, Loaded: a[name], Empty: b[name]})
		sum.Loaded, sum.Empty = sum.Loaded+a[name], sum.Empty+b[name]
	}
	return append(all, sum), nil
}

// Pause waits for t, or until ctx ends.
func Pause(ctx context.Context, t time.Duration) {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
