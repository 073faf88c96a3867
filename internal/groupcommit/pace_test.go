package groupcommit_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/groupcommit"
)

// The figures are those of the package comment: one node, a disk with 3,200
// syncs a second, messages of 1.4 KB.
func TestPace_SyncAlwaysMakesManyGoTogetherAndFewAlone(t *testing.T) {
	t.Parallel()
	p := groupcommit.NewPace()
	p.Alone(200, 310*time.Microsecond)
	for range 20 {
		p.Batch(40, 5*time.Millisecond, nil)
	}
	if !p.Worth(48) {
		t.Error("48 would go alone")
	}
	if p.Worth(8) {
		t.Error("8 would go together: a batch takes twice as long")
	}
	if w := p.Window(); w < 8 || w > 32 {
		t.Errorf("%d go alone before one waits; the server stores 16 in the time of a batch", w)
	}
}

// The server writes its answers in bursts: most come right after another one,
// and the next burst after a while.
func TestPace_AnswersInBurstsAreNotTakenForSpeed(t *testing.T) {
	t.Parallel()
	p := groupcommit.NewPace()
	for i := range 40 {
		p.Burst(16, 310*time.Microsecond)
		if w := p.Window(); i > 8 && w > 32 {
			t.Fatalf("after a burst %d go alone before one waits", w)
		}
	}
	if !p.Worth(48) {
		t.Error("48 would go alone")
	}
}

func TestPace_DefaultSyncLetsAllGoAlone(t *testing.T) {
	t.Parallel()
	p := groupcommit.NewPace()
	p.Alone(500, 28*time.Microsecond)
	if w := p.Window(); w < 100 {
		t.Errorf("the 64 of a worker would wait behind %d", w)
	}
	if p.Worth(64) {
		t.Error("64 would go together")
	}
	// 300 may be tried, and teach.
	p.Batch(300, 16*time.Millisecond, nil)
	if p.Worth(500) {
		t.Error("a batch that was twice as slow taught nothing")
	}
}

func TestPace_ALessonIsForgottenInTime(t *testing.T) {
	t.Parallel()
	p := groupcommit.NewPace()
	p.Alone(200, 300*time.Microsecond)
	p.Batch(40, 500*time.Millisecond, nil) // the disk stalled
	if p.Worth(64) {
		t.Error("nothing was learnt")
	}
	p.Rest(6 * time.Second)
	if !p.Worth(64) {
		t.Error("one stall has ended batches for ever")
	}
}

func TestPace_BatchesThatAreRefusedAreGivenUpForAWhile(t *testing.T) {
	t.Parallel()
	p := groupcommit.NewPace()
	p.Alone(200, 300*time.Microsecond)
	for range 40 {
		if !p.Worth(24) {
			return
		}
		p.Batch(24, 5*time.Millisecond, &jetstream.APIError{Code: 400, ErrorCode: 10071})
	}
	t.Error("batches of which each is refused go on for ever")
}

func TestPace_BatchesThatCameToNothingAtOnceAreNotTakenForFast(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"not sent": groupcommit.ErrNotSent,
		"refused":  &jetstream.APIError{Code: 400, ErrorCode: 10071},
	} {
		p := groupcommit.NewPace()
		p.Alone(500, 28*time.Microsecond)
		for range 50 {
			p.Batch(64, 50*time.Microsecond, err)
		}
		if p.Worth(64) {
			t.Errorf("%s: 64 would go together", name)
		}
	}
}

func TestPace_OneWriterAloneNeverTeachesThatAloneIsSlow(t *testing.T) {
	t.Parallel()
	p := groupcommit.NewPace()
	for range 100 {
		p.Alone(1, 50*time.Millisecond) // a pause between two, in which the server did nothing
	}
	if p.Worth(1000) {
		t.Error("the time between two messages was taken for the time of one")
	}
}

func TestPace_AStreamThatTakesNoBatchesIsLeftAloneForAWhile(t *testing.T) {
	t.Parallel()
	p := groupcommit.NewPace()
	p.Alone(200, 300*time.Microsecond)
	p.Batch(100, time.Millisecond, &jetstream.APIError{Code: 400, ErrorCode: 10174})
	if p.Worth(400) {
		t.Error("it is tried again at once")
	}
	p.Rest(61 * time.Second)
	if !p.Worth(400) {
		t.Error("it is never tried again, though setup may have changed the stream")
	}
}

// A batch waits for the syncs of all that goes alone. Believed, what it then
// takes would make all go on alone.
func TestPace_BatchesAreTriedThoughTheyTakeLongBesideMuchThatGoesAlone(t *testing.T) {
	t.Parallel()
	p := groupcommit.NewPace()
	p.Alone(200, 600*time.Microsecond)
	for range 20 {
		p.Batch(32, 18*time.Millisecond, nil)
	}
	if w := p.Window(); w > 16 {
		t.Errorf("%d go alone before one waits", w)
	}
	if !p.Worth(20) {
		t.Error("20 would go alone")
	}
}

func TestPace_OnlyABargainLetsTheNextBatchFill(t *testing.T) {
	t.Parallel()
	always, relaxed := groupcommit.NewPace(), groupcommit.NewPace()
	always.Alone(200, 310*time.Microsecond)
	relaxed.Alone(500, 28*time.Microsecond)
	for _, c := range []struct {
		name string
		p    *groupcommit.Pace
		n    int
		took time.Duration
		want bool
	}{
		{"faster than alone", always, 32, 6 * time.Millisecond, true},
		{"slower than alone", always, 32, 12 * time.Millisecond, false},
		{"so few that it was chance", always, 8, time.Millisecond, false},
		{"default sync", relaxed, 300, 16 * time.Millisecond, false},
		{"nothing known", groupcommit.NewPace(), 100, time.Millisecond, false},
	} {
		if got := c.p.Bargain(c.n, c.took); got != c.want {
			t.Errorf("%s: the next one is let fill: %v", c.name, got)
		}
	}
}

// While batches fill nothing else shows what a message takes alone: a stall would
// be taken for the pace of the server for ever.
func TestPace_NowAndThenABargainIsFollowedByNoFill(t *testing.T) {
	t.Parallel()
	p := groupcommit.NewPace()
	p.Alone(200, 310*time.Microsecond)
	fills := 0
	for range 80 {
		if p.Bargain(32, 6*time.Millisecond) {
			fills++
		}
	}
	if fills < 60 || fills > 75 {
		t.Errorf("%d of 80 bargains were followed by a fill", fills)
	}
}

// A message may take long and many be under way at once, as on three nodes far
// apart: then batches are slow as well, and none must keep others from being sent.
func TestPace_BatchesThatAreSlowerThanAloneKeepNobodyBack(t *testing.T) {
	t.Parallel()
	p := groupcommit.NewPace()
	p.Alone(200, 500*time.Microsecond)
	p.Batch(16, 60*time.Millisecond, nil)
	if w := p.Window(); w < 20 {
		t.Errorf("only %d go alone", w)
	}
}

// Where orders come one by one a batch is what a hiccup has dammed up, and all
// that waits for the next one to fill waits for nothing.
func TestPace_AFillInVainIsTriedLessAndLess(t *testing.T) {
	t.Parallel()
	p := groupcommit.NewPace()
	p.Alone(200, 310*time.Microsecond)
	fills := func(within time.Duration) (n int) {
		for range within / (10 * time.Millisecond) {
			if p.Bargain(32, 6*time.Millisecond) {
				n++
				p.Filled(false)
			}
			p.Rest(10 * time.Millisecond)
		}
		return n
	}
	if n := fills(10 * time.Second); n < 4 || n > 10 {
		t.Errorf("%d of 1,000 were let fill in vain", n)
	}
	p.Rest(10 * time.Second)
	p.Filled(true)
	if !p.Bargain(32, 6*time.Millisecond) {
		t.Error("one that has filled is not followed by another")
	}
	p.Filled(false)
	p.Rest(200 * time.Millisecond)
	if !p.Bargain(32, 6*time.Millisecond) {
		t.Error("what was in vain before one filled still counts")
	}
}
