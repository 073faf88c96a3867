package procs_test

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/test/crash/procs"
)

// echo answers every line with itself.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				for r := bufio.NewReader(c); ; {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					if _, err := c.Write([]byte(line)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func dial(t *testing.T, p *procs.Proxy) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(p.URL(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

func say(t *testing.T, c net.Conn, line string) {
	t.Helper()
	if _, err := c.Write([]byte(line + "\n")); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	if got, err := r.ReadString('\n'); err != nil || got != want+"\n" {
		t.Fatalf("heard %q, %v", got, err)
	}
}

func TestProxy_HoldsBackWhatIsSaidAndLosesNothingOfIt(t *testing.T) {
	t.Parallel()
	p, err := procs.NewProxy("worker-0", echo(t), &procs.Journal{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	c, r := dial(t, p)
	say(t, c, "one")
	hear(t, r, "one")
	if !p.Hold() || p.Hold() {
		t.Error("it holds back once")
	}
	say(t, c, "two")
	heard := make(chan string, 1)
	go func() { line, _ := r.ReadString('\n'); heard <- line }()
	select {
	case line := <-heard:
		t.Fatalf("heard %q while it was held back", line)
	case <-time.After(50 * time.Millisecond): // what is held back cannot be waited for
	}
	p.Release()
	if line := <-heard; line != "two\n" {
		t.Errorf("heard %q", line)
	}
}

func TestProxy_BreaksConnectionsAndTakesNewOnes(t *testing.T) {
	t.Parallel()
	p, err := procs.NewProxy("worker-0", echo(t), &procs.Journal{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	c, r := dial(t, p)
	say(t, c, "one")
	hear(t, r, "one")
	p.Reset()
	if line, err := r.ReadString('\n'); err == nil {
		t.Errorf("heard %q over a broken connection", line)
	}
	c, r = dial(t, p)
	say(t, c, "two")
	hear(t, r, "two")
	if got := len(p.URL()); got == 0 {
		t.Error("no address")
	}
}
