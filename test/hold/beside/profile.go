package beside

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Profile takes a CPU profile of every program for so long, and tells when all
// are written. Without a folder there is nothing to do.
func (s *System) Profile(ctx context.Context, dir string, d time.Duration) <-chan error {
	done := make(chan error, 1)
	if dir == "" {
		done <- nil
		return done
	}
	var group sync.WaitGroup
	failed := make(chan error, len(s.Processes()))
	for _, p := range s.Processes() {
		group.Go(func() {
			if err := p.profile(ctx, filepath.Join(dir, p.Program+".pprof"), d); err != nil {
				failed <- err
			}
		})
	}
	go func() {
		group.Wait()
		close(failed)
		done <- <-failed
	}()
	return done
}

func (p *Process) profile(ctx context.Context, path string, d time.Duration) error {
	url := strings.Replace(p.heap, "/heap", fmt.Sprintf("/profile?seconds=%d", max(1, int(min(d, 50*time.Second).Seconds()))), 1)
	return download(ctx, url, path)
}

// ProfileTo writes what the program computes for so long, and its heap after
// that, into a folder. It waits until the program can be asked.
func (p *Process) ProfileTo(ctx context.Context, dir string, d time.Duration) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := p.AwaitReady(ctx); err != nil {
		return err
	}
	if err := p.profile(ctx, filepath.Join(dir, p.Program+".cpu.pprof"), d); err != nil {
		return err
	}
	return p.HeapTo(ctx, filepath.Join(dir, p.Program+".heap.pprof"))
}

// HeapTo writes the profile of the program's live heap into a file.
func (p *Process) HeapTo(ctx context.Context, path string) error {
	return download(ctx, p.heap+"?gc=1", path)
}

func download(ctx context.Context, url, path string) error {
	body, err := get(ctx, url)
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // only read
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, body); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
