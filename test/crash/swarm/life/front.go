package life

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// Front opens a way of this life to a shop, and returns the address at which the
// program is to look for it.
func (l *Life) Front(shop string) (addr string, err error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	l.mu.Lock()
	l.listeners = append(l.listeners, listener)
	l.mu.Unlock()
	l.fronts.Go(func() { l.accept(listener, shop) })
	return listener.Addr().String(), nil
}

func (l *Life) accept(listener net.Listener, shop string) {
	for {
		in, err := listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			continue // no file was free for a moment
		case l.dead.Load():
			l.late.dials.Add(1)
			_ = in.Close()
			continue
		}
		l.fronts.Go(func() { l.serve(in, shop) })
	}
}

// serve passes on one connection, until either side or the life ends.
func (l *Life) serve(in net.Conn, shop string) {
	if !l.own(in) {
		return
	}
	defer l.disown(in)
	ctx, cancel := context.WithTimeout(context.Background(), dialling)
	out, err := new(net.Dialer).DialContext(ctx, "tcp", shop)
	cancel()
	if err != nil {
		_ = in.Close()
		return
	}
	if !l.own(out) {
		_ = in.Close()
		return
	}
	defer l.disown(out)
	l.fronts.Go(func() { l.relay(out, in, BeforeHTTPWrite, AfterHTTPWrite) })
	l.relay(in, out, BeforeHTTPRead, points)
}

// relay passes on what comes from one side. before and after are the points
// beside each piece.
func (l *Life) relay(to, from net.Conn, before, after Point) {
	defer func() { _ = to.Close(); _ = from.Close() }()
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !l.pass(before) {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
			if after < points && !l.pass(after) {
				return
			}
		}
		if err != nil {
			if tcp, ok := to.(*net.TCPConn); ok && errors.Is(err, syscall.ECONNRESET) {
				_ = tcp.SetLinger(0) // a reset is told as a reset
			}
			return
		}
	}
}
