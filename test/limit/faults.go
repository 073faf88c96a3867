package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

func leaveAlone(ctx context.Context, _ *system, lasts time.Duration) error {
	pause(ctx, lasts)
	return ctx.Err()
}

// every does something again and again until its time is over.
func every(ctx context.Context, d, lasts time.Duration, do func() error) error {
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		if !pause(ctx, d) {
			return ctx.Err()
		}
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

func killWorkers(ctx context.Context, s *system, lasts time.Duration) error {
	return every(ctx, 2*time.Second, lasts, func() error {
		m := s.workers[rand.IntN(len(s.workers))]
		m.Kill("")
		return m.Start()
	})
}

func killServer(ctx context.Context, s *system, lasts time.Duration) error {
	return every(ctx, 8*time.Second, lasts, func() error {
		s.nodes[0].Kill("")
		pause(ctx, rand.N(2*time.Second))
		return s.nodes[0].Start()
	})
}

// pauseServer lets questions and answers lie for longer than permits may.
func pauseServer(ctx context.Context, s *system, lasts time.Duration) error {
	return every(ctx, 5*time.Second, lasts, func() error {
		s.nodes[0].Stop()
		pause(ctx, 200*time.Millisecond+rand.N(3*time.Second))
		s.nodes[0].Continue()
		return nil
	})
}

// pauseWorker lets a worker wake up with permits of long ago in its hands.
func pauseWorker(ctx context.Context, s *system, lasts time.Duration) error {
	return every(ctx, 2*time.Second, lasts, func() error {
		m := s.workers[rand.IntN(len(s.workers))]
		m.Stop()
		pause(ctx, 20*time.Second)
		m.Continue()
		return nil
	})
}

// swing makes answers take anything from 5 ms to 9 s, by turns.
func swing(ctx context.Context, s *system, lasts time.Duration) error {
	defer s.front.setSlow(0)
	slow := false
	return every(ctx, 4*time.Second, lasts, func() error {
		slow = !slow
		s.front.setSlow(0)
		if slow {
			s.front.setSlow(9 * time.Second)
		}
		return nil
	})
}

// moveLeader makes the leader of the permit stream resign, and kills it now and
// then.
func moveLeader(ctx context.Context, s *system, lasts time.Duration) error {
	turn := 0
	return every(ctx, 5*time.Second, lasts, func() error {
		turn++
		if turn%3 != 0 {
			timed, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			_, err := s.nc.RequestWithContext(timed, "$JS.API.STREAM.LEADER.STEPDOWN."+s.provider.PermitStream(), nil)
			if err == nil {
				s.journal.Note("nats-server", "cluster", "moved", "")
			}
			return nil // without a leader nobody can resign
		}
		n := s.leads(ctx)
		if n == nil {
			return nil
		}
		n.Kill("the leader")
		pause(ctx, 2*time.Second)
		return n.Start()
	})
}

// deeds sums up what was done to the system.
func (s *system) deeds() []string {
	counts, names := map[string]int{}, []string(nil)
	for _, l := range s.journal.Lines() {
		if l.Deed == "spawned" {
			continue
		}
		name := l.Program + " " + string(l.Deed)
		if counts[name]++; counts[name] == 1 {
			names = append(names, name)
		}
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d times", name, counts[name])
	}
	return names
}

// thrown is how many permits the workers that run now have thrown away because
// they were too old when the request was due.
func (s *system) thrown(ctx context.Context) (sum int) {
	for _, m := range s.workers {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.address()+"/metrics", nil)
		if err != nil {
			continue
		}
		resp, err := client.Do(req)
		if err != nil {
			continue // it shows in the requests that arrive
		}
		sum += counter(resp.Body, "beltline_permits_thrown_away_total")
		_ = resp.Body.Close()
	}
	return sum
}

// counter reads one metric from a page of them.
func counter(page io.Reader, name string) (sum int) {
	for lines := bufio.NewScanner(page); lines.Scan(); {
		if !strings.HasPrefix(lines.Text(), name) {
			continue
		}
		fields := strings.Fields(lines.Text())
		n, _ := strconv.Atoi(fields[len(fields)-1])
		sum += n
	}
	return sum
}
