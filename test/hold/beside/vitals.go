package beside

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// get opens a URL that answers 200.
func get(ctx context.Context, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s: %w: %s", url, errStatus, resp.Status)
	}
	return resp.Body, nil
}

// Memory is what a process holds, in bytes.
type Memory struct {
	RSS  int64 `json:"rss"`
	Heap int64 `json:"heap"` // live after a garbage collection
}

// Memory collects the garbage of the process and reads what is left.
func (p *Process) Memory(ctx context.Context) (Memory, error) {
	body, err := get(ctx, p.heap+"?gc=1&debug=1")
	if err != nil {
		return Memory{}, err
	}
	heap, err := number(body, "# HeapAlloc = ")
	_ = body.Close()
	if err != nil {
		return Memory{}, fmt.Errorf("heap of %s: %w", p.Name, err)
	}
	status, err := os.Open(fmt.Sprintf("/proc/%d/status", p.pid()))
	if err != nil {
		return Memory{}, err
	}
	defer status.Close() //nolint:errcheck // only read
	rss, err := number(status, "VmRSS:")
	return Memory{RSS: rss << 10, Heap: heap}, err
}

// number finds the line with the prefix and reads the number behind it.
func number(r io.Reader, prefix string) (int64, error) {
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		if rest, ok := strings.CutPrefix(scan.Text(), prefix); ok {
			text, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			return strconv.ParseInt(text, 10, 64)
		}
	}
	return 0, fmt.Errorf("there is no line %q (%w)", prefix, scan.Err())
}

// ticks is how Linux counts the time of a process for its readers, on every
// architecture that Go knows.
const ticks = 100

// CPU is the time that the process has computed since it was started.
func (p *Process) CPU() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid()))
	if err != nil {
		return 0, err
	}
	// The second field is the name, in parentheses, and may hold spaces.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	const user, system = 11, 12
	var sum int64
	for _, i := range []int{user, system} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// Looks is how many orders the sweeper has looked up since its process began.
func (s *System) Looks(ctx context.Context) (int64, error) {
	n, err := s.Dispatcher.Metric(ctx, "beltline_dispatcher_sweep_looks_total")
	return int64(n), err
}

// Metric reads one series, written as the program shows it, with its labels.
func (p *Process) Metric(ctx context.Context, series string) (float64, error) {
	body, err := get(ctx, p.metrics())
	if err != nil {
		return 0, err
	}
	defer body.Close() //nolint:errcheck // only read
	scan := bufio.NewScanner(body)
	for scan.Scan() {
		if rest, ok := strings.CutPrefix(scan.Text(), series+" "); ok {
			return strconv.ParseFloat(rest, 64)
		}
	}
	return 0, fmt.Errorf("%s has no metric %s (%w)", p.Name, series, scan.Err())
}

func (p *Process) metrics() string { return strings.Replace(p.ready, "/readyz", "/metrics", 1) }

// Disk is the size of each stream's files in bytes.
func (s *System) Disk() (map[string]int64, error) {
	sizes := map[string]int64{}
	root := filepath.Join(s.Store(), "jetstream", "$G", "streams")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if os.IsNotExist(err) {
			return nil // compacted away meanwhile
		}
		if err != nil {
			return err
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(path, root+string(filepath.Separator)), string(filepath.Separator))
		sizes[name] += info.Size()
		return nil
	})
	return sizes, err
}

// Store is the folder of the server's files.
func (s *System) Store() string { return filepath.Join(s.dir, "store") }
