package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
	"github.com/beltline-io/beltline/test/hold/beside"
)

// options say what is measured.
type options struct {
	ended, held int
	few         int // orders that have ended beside them
	sync        string
	rounds      int
	burst       int
	probes      int
	gap         time.Duration
	lists       int
	idle        time.Duration
	restarts    int
	folder      string
	json        string
	profiles    string
}

func main() {
	var o options
	flag.IntVar(&o.ended, "orders", 1_000_000, "orders that have ended")
	flag.IntVar(&o.held, "held", -1, "orders on hold on top of them; -1 for as many")
	flag.IntVar(&o.few, "few", 1000, "orders that have ended in the system beside")
	flag.StringVar(&o.sync, "sync", "always", "nats-server's sync_interval while it is measured: always, or default")
	flag.IntVar(&o.rounds, "rounds", 5, "bursts on each system")
	flag.IntVar(&o.burst, "burst", 2000, "new orders in a burst")
	flag.IntVar(&o.probes, "probes", 300, "single new orders on each system whose latency is measured")
	flag.DurationVar(&o.gap, "gap", 20*time.Millisecond, "rest between two of them")
	flag.IntVar(&o.lists, "lists", 50, "lists of each kind that are asked for")
	flag.DurationVar(&o.idle, "idle", 30*time.Second, "how long the cost of doing nothing is measured")
	flag.IntVar(&o.restarts, "restarts", 1, "kills of each program")
	flag.StringVar(&o.folder, "dir", os.TempDir(), "where the streams lie meanwhile; 13 KB for each order of -orders")
	flag.StringVar(&o.json, "json", "", "write each figure as a line of JSON to this file too")
	flag.StringVar(&o.profiles, "profiles", "", "write profiles of the dispatcher while it reads a large ledger into this folder")
	flag.Parse()
	if o.held < 0 {
		o.held = o.ended
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

// About how many bytes the files take for an order.
const (
	endedBytes = 3 * 1700
	heldBytes  = 4*1900 + 400
	// ledgerBytes is the part of EVENTS that takes orders.
	ledgerBytes = 16 << 30 / 5 * 4
)

func (o options) check() error {
	switch {
	case o.sync != "always" && o.sync != "default":
		return fmt.Errorf("-sync %q is neither always nor default", o.sync)
	case o.ended < 1 || o.held < 0 || o.few < 1 || o.rounds < 1 || o.burst < 1 || o.probes < 1 || o.lists < 1 || o.restarts < 0 || o.gap < 0 || o.idle < 0:
		return errors.New("a number is too small")
	case o.ended > 99_999_999 || o.need() > ledgerBytes:
		return fmt.Errorf("so many orders take about %d MiB, and the ledger takes orders up to %d MiB", o.need()>>20, ledgerBytes>>20)
	}
	return nil
}

func (o options) need() int64 { return int64(o.ended)*endedBytes + int64(o.held)*heldBytes }

// room refuses what the disk has no room for: a full one would stop every
// server on the machine, not only this one's.
func (o options) room() error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(o.folder, &fs); err != nil {
		return fmt.Errorf("%s: %w", o.folder, err)
	}
	free := int64(fs.Bavail) * int64(fs.Bsize) //nolint:gosec,unconvert // no disk has 2^63 bytes; the types differ by machine
	need := o.need()/5*6 + 1<<30
	say("%d orders that have ended and %d on hold need about %d MiB; %s has %d MiB", o.ended, o.held, o.need()>>20, o.folder, free>>20)
	if free < need {
		return fmt.Errorf("%s has %d MiB, and %d MiB are to be there", o.folder, free>>20, need>>20)
	}
	return nil
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// rig is two systems and what is known of them.
type rig struct {
	o             options
	loaded, small *beside.System
	steam         *balancesteamtest.Server
	skins         *skinsbacktest.Server
	ended         map[*beside.System]int // top-ups that have succeeded
	held          int                    // deposits on hold in the loaded system
	bought        []string               // top-ups that were submitted
	bursts        int
	figures       []figure
	lines         io.Writer // of JSON
}

func run(ctx context.Context, o options, w io.Writer) (err error) {
	if err := errors.Join(o.check(), o.room()); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.folder, "beltline-scale-")
	if err != nil {
		return err
	}
	defer func() { // the streams are never kept: they may fill the disk
		if err != nil && ctx.Err() == nil {
			say("the logs of all programs are in %s", dir)
			for _, name := range []string{"loaded", "small"} {
				_ = os.RemoveAll(filepath.Join(dir, name, "store"))
			}
			return
		}
		_ = os.RemoveAll(dir)
	}()
	r := &rig{o: o, ended: map[*beside.System]int{}, lines: io.Discard}
	if o.json != "" {
		file, err := os.OpenFile(o.json, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer file.Close() //nolint:errcheck // each line was written by itself
		r.lines = file
	}
	defer r.stop()
	if err := r.start(ctx, dir); err != nil {
		return err
	}
	err = r.measure(ctx)
	r.show(w) // whatever went wrong later on, this was measured
	say("%d top-ups were submitted and held against the shop's books", len(r.bought))
	return errors.Join(err, judge(r.bought, r.steam.Purchases()))
}

// start builds everything and starts both systems. One shop of each kind serves
// both, so that its books weigh on both alike.
func (r *rig) start(ctx context.Context, dir string) error {
	say("building the programs")
	programs := filepath.Join(dir, "bin")
	if err := beside.Build(ctx, programs, "./cmd/dispatcher", "./cmd/worker-skinsback", "./cmd/worker-balancesteam", beside.Server); err != nil {
		return err
	}
	r.skins = skinsbacktest.New()
	r.steam = balancesteamtest.New(balancesteamtest.WithBalance("1000000000"))
	plan := beside.Plan{
		Programs: programs, Always: r.o.sync == "always", Shop: r.skins, Patience: 20 * time.Minute,
		Common: map[string]string{"BALANCESTEAM_RATE_LIMIT": "1000000/1s", "LOG_LEVEL": "info"},
		More: []beside.Worker{{Program: "worker-balancesteam", Settings: map[string]string{
			"BALANCESTEAM_URL": r.steam.URL(), "BALANCESTEAM_API_KEY": balancesteamtest.APIKey, "BALANCESTEAM_WITNESS": "off",
		}}},
	}
	var err error
	if r.loaded, err = beside.Start(ctx, "loaded", plan); err != nil {
		return err
	}
	r.small, err = beside.Start(ctx, "small", plan)
	return err
}

func (r *rig) stop() {
	r.loaded.Stop()
	r.small.Stop()
	if r.skins != nil {
		r.skins.Close()
		r.steam.Close()
	}
}
