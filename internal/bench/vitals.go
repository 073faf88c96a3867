package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// vitals are what the processes have used since they were started.
type vitals struct {
	nats, programs, shop time.Duration // computed
	mallocs              float64       // of our programs; the bare loop does not tell

	at            time.Time
	machine, mine time.Duration // computed by all programs of the machine, and by upstream
}

// look reads the vitals of all processes.
func (s *stage) look(ctx context.Context) (v vitals, err error) {
	for _, part := range []struct {
		processes []*process
		sum       *time.Duration
	}{{s.nodes, &v.nats}, {s.programs, &v.programs}, {[]*process{s.shop}, &v.shop}} {
		for _, p := range part.processes {
			t, err := computed(p.cmd.Process.Pid)
			if err != nil {
				return v, err
			}
			*part.sum += t
		}
	}
	v.at = time.Now()
	if v.machine, err = computedByAll(); err != nil {
		return v, err
	}
	if v.mine, err = computed(os.Getpid()); err != nil {
		return v, err
	}
	for _, p := range s.programs {
		if p.url == "" {
			continue // a step of the bare loop
		}
		page, err := ask(ctx, p.url+"/metrics")
		if err != nil {
			return v, err
		}
		n, err := metric(page, "go_memstats_mallocs_total")
		if err != nil {
			return v, fmt.Errorf("%s: %w", p.name, err)
		}
		v.mallocs += n
	}
	return v, nil
}

// spent notes what n orders have cost between two looks.
func (f *Figures) spent(before, after vitals, n int) {
	each := func(a, b time.Duration) float64 { return (b - a).Seconds() * 1000 / float64(n) }
	f.CPU = CPU{
		NATS: each(before.nats, after.nats), Programs: each(before.programs, after.programs), Shop: each(before.shop, after.shop),
	}
	f.CPU.All = f.CPU.NATS + f.CPU.Programs + f.CPU.Shop
	if all := after.machine - before.machine; all > 0 {
		others := all - (after.mine - before.mine) - (after.nats - before.nats) - (after.programs - before.programs) - (after.shop - before.shop)
		f.Others = max(0, others.Seconds()) / after.at.Sub(before.at).Seconds()
	}
	f.Allocations = (after.mallocs - before.mallocs) / float64(n)
}

// ticks is how Linux counts the time of a process for its readers, on every
// architecture that Go knows.
const ticks = 100

// computed is the time that a process has computed. Where there is no /proc, as
// on other systems than Linux, it is 0, and the tables say that it was not measured.
func computed(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	// The second field is the name, in parentheses, and may hold spaces.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	const user, system = 11, 12
	if len(fields) <= system {
		return 0, fmt.Errorf("process %d: its stat is too short", pid)
	}
	var sum int64
	for _, i := range []int{user, system} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("process %d: %w", pid, err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// computedByAll is the time that everything on this machine has computed, the
// system included; 0 where there is no /proc.
func computedByAll() (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	var sum int64
	const user, nice, system, irq, softirq, steal = 1, 2, 3, 6, 7, 8 // between them: idle, and waiting for disks
	for i, text := range strings.Fields(line) {
		switch i {
		case user, nice, system, irq, softirq, steal:
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/stat: %w", err)
			}
			sum += n
		}
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// metric finds the value of a metric without labels.
func metric(page []byte, name string) (float64, error) {
	for lines := bufio.NewScanner(bytes.NewReader(page)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("it tells no %s", name)
}

// disk is the size of all stores below dir, and that of EVENTS alone.
func disk(dir string) (all, events int64, err error) {
	ledger := filepath.Join("streams", bareEvents) + string(filepath.Separator)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // compacted away meanwhile
		}
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".log") {
			return err
		}
		info, err := d.Info()
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		all += info.Size()
		if strings.Contains(path, ledger) {
			events += info.Size()
		}
		return nil
	})
	return all, events, err
}

// fsyncFor is how long the disk is tried.
const fsyncFor = 500 * time.Millisecond

// fsyncs is how often in a second the disk of dir syncs a write of the size of
// an order: what every figure of a server that syncs always stands on.
func fsyncs(dir string) (float64, error) {
	file, err := os.CreateTemp(dir, "beltline-fsync-")
	if err != nil {
		return 0, err
	}
	defer func() {
		_ = file.Close()
		_ = os.Remove(file.Name())
	}()
	begun := time.Now()
	for n := 1; ; n++ {
		if _, err := file.WriteString(filler); err != nil {
			return 0, err
		}
		if err := file.Sync(); err != nil {
			return 0, err
		}
		if took := time.Since(begun); took >= fsyncFor {
			return perSecond(n, took), nil
		}
	}
}
