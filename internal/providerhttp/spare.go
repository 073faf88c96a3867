package providerhttp

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// spares are connections that were dialled in vain: the permit of their request
// had grown old before the handshake was over. net/http closes a connection that
// refuses a write, so where the way to the provider is long every permit would
// grow old in a handshake of its own, and nothing would ever be sent. Nothing has
// been written to them but the handshake.
type spares struct {
	mu   sync.Mutex
	list []*spare
	over bool
}

type spare struct {
	key  string
	conn net.Conn
	end  *time.Timer
}

// keep holds conn for as long as an idle connection is held.
func (s *spares) keep(key string, conn net.Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || len(s.list) >= maxIdlePerHost {
		return conn.Close()
	}
	kept := &spare{key: key, conn: conn}
	kept.end = time.AfterFunc(idleTimeout, func() {
		if s.remove(func(other *spare) bool { return other == kept }) != nil {
			_ = conn.Close()
		}
	})
	s.list = append(s.list, kept)
	return nil
}

// take returns the connection that was kept last; nil if there is none.
func (s *spares) take(key string) net.Conn {
	kept := s.remove(func(other *spare) bool { return other.key == key })
	if kept == nil {
		return nil
	}
	kept.end.Stop()
	return kept.conn
}

func (s *spares) remove(is func(*spare) bool) *spare {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.list) - 1; i >= 0; i-- {
		if kept := s.list[i]; is(kept) {
			s.list = append(s.list[:i], s.list[i+1:]...)
			return kept
		}
	}
	return nil
}

// close closes them all, and those that are still to come.
func (s *spares) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, kept := range s.list {
		kept.end.Stop()
		_ = kept.conn.Close()
	}
	s.list = nil
}

// Read reads, and notes whether the connection is as it was after the handshake.
func (c *conn) Read(b []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.kept.Load() {
		return 0, net.ErrClosed // what is read now is for another request
	}
	n, err := c.Conn.Read(b)
	if n > 0 || err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.used.Store(true)
	}
	return n, err
}

// Close closes the connection, or leaves it to the spares if it was dialled in
// vain.
func (c *conn) Close() error {
	if c.spares == nil || !c.inVain.Load() || c.used.Load() {
		return c.Conn.Close()
	}
	// net/http waits for an answer. The deadline ends that.
	if err := c.Conn.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return c.Conn.Close()
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.kept.Swap(true) {
		return c.Conn.SetReadDeadline(time.Time{})
	}
	if c.used.Load() || c.Conn.SetReadDeadline(time.Time{}) != nil {
		return c.Conn.Close()
	}
	return c.spares.keep(c.dialled, c.Conn)
}
