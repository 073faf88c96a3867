package life_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beltline-io/beltline/test/crash/swarm/life"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// peer is the other end of one connection: it keeps what arrives until the end.
type peer struct {
	addr string
	conn chan net.Conn
}

func listen(t *testing.T) *peer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	p := &peer{addr: listener.Addr().String(), conn: make(chan net.Conn, 8)}
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			p.conn <- c
		}
	}()
	return p
}

// accepted is the next connection that came.
func (p *peer) accepted(t *testing.T) net.Conn {
	t.Helper()
	select {
	case c := <-p.conn:
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		return c
	case <-time.After(patience):
		t.Fatal("nobody has connected")
		return nil
	}
}

// begin begins a life that counts its deaths.
func begin(t *testing.T) (*life.Life, *atomic.Int64) {
	t.Helper()
	deaths := &atomic.Int64{}
	l := life.New("mark", func(string) { deaths.Add(1) })
	t.Cleanup(func() { l.Die("the test is over"); l.Close() })
	return l, deaths
}

func dial(t *testing.T, l *life.Life, p *peer) (ours, theirs net.Conn) {
	t.Helper()
	ours, err := l.NATS().Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	return ours, p.accepted(t)
}

func TestDie_WhatWasWrittenArrivesAndNothingGetsOutAfterwards(t *testing.T) {
	t.Parallel()
	l, deaths := begin(t)
	p := listen(t)
	one, first := dial(t, l, p)
	two, second := dial(t, l, p)
	var lines bytes.Buffer
	log := l.Log(&lines)
	for _, w := range []io.Writer{one, two, log} {
		if _, err := w.Write([]byte("alive ")); err != nil {
			t.Fatal(err)
		}
	}
	if !l.Die("now") || l.Die("again") || deaths.Load() != 1 {
		t.Errorf("it died %d times", deaths.Load())
	}
	for _, w := range []io.Writer{one, two} {
		if _, err := w.Write([]byte("dead")); !errors.Is(err, life.ErrDead) {
			t.Errorf("a write of the dead: %v", err)
		}
	}
	if _, err := log.Write([]byte("dead")); err != nil { // who was killed has nobody to tell
		t.Error(err)
	}
	if _, err := l.NATS().Dial("tcp", p.addr); !errors.Is(err, life.ErrDead) {
		t.Errorf("a dial of the dead: %v", err)
	}
	for _, c := range []net.Conn{first, second} {
		if got, err := io.ReadAll(c); string(got) != "alive " || err != nil {
			t.Errorf("%q arrived, %v", got, err)
		}
	}
	if lines.String() != "alive " {
		t.Errorf("%q was logged", &lines)
	}
	if got, want := l.Late(), (life.Late{Dials: 1, Writes: 2, Lines: 1}); got != want {
		t.Errorf("the dead tried %+v, want %+v", got, want)
	}
}

func TestDieAt_BesideAWriteToNATSItComesBeforeOrAfterIt(t *testing.T) {
	t.Parallel()
	for point, want := range map[life.Point]string{life.BeforeNATSWrite: "1", life.AfterNATSWrite: "12"} {
		l, deaths := begin(t)
		ours, theirs := dial(t, l, listen(t))
		l.DieAt(point, 2)
		for _, text := range []string{"1", "2", "3"} {
			_, err := ours.Write([]byte(text))
			if died := err != nil; died != (text != "1") {
				t.Errorf("%s: writing %s: %v", point, text, err)
			}
		}
		if got, err := io.ReadAll(theirs); string(got) != want || err != nil {
			t.Errorf("%s: %q arrived, want %q; %v", point, got, want, err)
		}
		if deaths.Load() != 1 {
			t.Errorf("%s: %d deaths", point, deaths.Load())
		}
	}
}

func TestDieAt_BeforeAReadFromNATSItIsNotDelivered(t *testing.T) {
	t.Parallel()
	l, deaths := begin(t)
	ours, theirs := dial(t, l, listen(t))
	l.DieAt(life.BeforeNATSRead, 1)
	if _, err := theirs.Write([]byte("an acknowledgement")); err != nil {
		t.Fatal(err)
	}
	if n, err := ours.Read(make([]byte, 64)); n != 0 || !errors.Is(err, life.ErrDead) {
		t.Errorf("%d bytes were delivered, %v", n, err)
	}
	if deaths.Load() != 1 {
		t.Errorf("%d deaths", deaths.Load())
	}
}

// shop answers requests and counts them.
type shop struct {
	*httptest.Server
	requests atomic.Int64
	answered chan struct{}
}

func openShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{answered: make(chan struct{}, 8)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != "buy" {
			return
		}
		s.requests.Add(1)
		_, _ = w.Write([]byte("bought"))
		s.answered <- struct{}{}
	}))
	t.Cleanup(s.Close)
	return s
}

func buy(t *testing.T, front string) (answer string, err error) {
	t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+front, strings.NewReader("buy"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = a.Body.Close() }()
	body, err := io.ReadAll(a.Body)
	return string(body), err
}

func TestFront_PassesRequestsAndAnswersOnAsLongAsTheLifeGoesOn(t *testing.T) {
	t.Parallel()
	l, _ := begin(t)
	s := openShop(t)
	front, err := l.Front(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := buy(t, front); answer != "bought" || err != nil {
		t.Fatalf("%q, %v", answer, err)
	}
	l.Die("now")
	if answer, err := buy(t, front); err == nil {
		t.Errorf("a dead program was answered %q", answer)
	}
	if n := s.requests.Load(); n != 1 {
		t.Errorf("%d requests arrived, want 1", n)
	}
}

func TestFront_ADeathBesideARequestOrAnAnswerLosesWhatComesAfterIt(t *testing.T) {
	t.Parallel()
	for point, bought := range map[life.Point]int64{life.BeforeHTTPWrite: 0, life.AfterHTTPWrite: 1, life.BeforeHTTPRead: 1} {
		l, deaths := begin(t)
		s := openShop(t)
		front, err := l.Front(s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		l.DieAt(point, 1)
		if answer, err := buy(t, front); err == nil {
			t.Errorf("%s: the dead was answered %q", point, answer)
		}
		if bought > 0 {
			select {
			case <-s.answered:
			case <-time.After(patience):
				t.Errorf("%s: the request has not arrived", point)
			}
		}
		l.Close()
		if n := s.requests.Load(); n != bought || deaths.Load() != 1 {
			t.Errorf("%s: %d requests arrived, want %d; %d deaths", point, n, bought, deaths.Load())
		}
	}
}

func TestWorking_IsALifeThatHasWrittenTheMark(t *testing.T) {
	t.Parallel()
	l, _ := begin(t)
	ours, _ := dial(t, l, listen(t))
	for _, text := range []string{"PUB a", "PUB mark"} {
		if l.Working() {
			t.Errorf("it works before %s", text)
		}
		if _, err := ours.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if !l.Working() {
		t.Error("it does not work")
	}
}

// Of many who write while the life ends, each is told the truth: what was
// refused has not arrived.
func TestDie_WhileManyWriteNothingThatWasRefusedArrives(t *testing.T) {
	t.Parallel()
	l, _ := begin(t)
	p := listen(t)
	var group sync.WaitGroup
	began := make(chan struct{}, 8)
	for range 8 {
		ours, theirs := dial(t, l, p)
		group.Go(func() {
			taken := 0
			for first := true; ; first = false {
				n, err := ours.Write([]byte("x"))
				taken += n
				if first {
					began <- struct{}{}
				}
				if err != nil {
					break
				}
			}
			// One write may have been cut off with its byte on the way.
			if got, err := io.ReadAll(theirs); err != nil || len(got) > taken+1 {
				t.Errorf("%d bytes arrived of %d that were taken: %v", len(got), taken, err)
			}
		})
	}
	for range 8 {
		<-began
	}
	l.Die("now")
	group.Wait()
}
