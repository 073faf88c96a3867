package beside

import (
	"context"
	"time"
)

// Idling is what the systems cost while nobody asks anything of them.
type Idling struct {
	Seconds  float64   `json:"seconds"`
	Programs []Compute `json:"programs"`
	Looks    int64     `json:"sweep_looks"` // orders that the sweeper of the loaded system looked up
}

// Compute is the time that a program computed, in milliseconds for each second.
type Compute struct {
	Program string  `json:"program"`
	Loaded  float64 `json:"loaded_ms_per_s"`
	Empty   float64 `json:"empty_ms_per_s"`
}

// Idle measures what the programs compute while nobody asks anything of them.
func Idle(ctx context.Context, loaded, empty *System, d time.Duration) (Idling, error) {
	looked, err := loaded.Looks(ctx)
	if err != nil {
		return Idling{}, err
	}
	all := append(loaded.Processes(), empty.Processes()...)
	before := make([]time.Duration, len(all))
	for i, p := range all {
		if before[i], err = p.CPU(); err != nil {
			return Idling{}, err
		}
	}
	begun := time.Now()
	Pause(ctx, d)
	took := time.Since(begun).Seconds()
	used := make([]float64, len(all))
	for i, p := range all {
		after, err := p.CPU()
		if err != nil {
			return Idling{}, err
		}
		used[i] = 1000 * (after - before[i]).Seconds() / took
	}
	r := Idling{Seconds: took}
	for i, p := range loaded.Processes() {
		r.Programs = append(r.Programs, Compute{Program: p.Program, Loaded: used[i], Empty: used[i+len(all)/2]})
	}
	looks, err := loaded.Looks(ctx)
	r.Looks = looks - looked
	return r, err
}
