package life

import (
	"context"
	"net"
	"time"
)

// dialling bounds a dial.
const dialling = 2 * time.Second

// Dialer opens the connections of a program to NATS. It is what nats.go takes
// as a custom dialer.
type Dialer struct{ life *Life }

// NATS is the dialer for NATS.
func (l *Life) NATS() *Dialer { return &Dialer{l} }

// Dial opens a connection that the death closes.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	if d.life.dead.Load() {
		d.life.late.dials.Add(1)
		return nil, ErrDead
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialling)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if !d.life.own(raw) {
		return nil, ErrDead
	}
	return &conn{raw, d.life}, nil
}

// conn is a connection to NATS.
type conn struct {
	net.Conn
	life *Life
}

// Write writes while the life goes on.
func (c *conn) Write(b []byte) (int, error) {
	if !c.life.pass(BeforeNATSWrite) {
		c.life.late.writes.Add(1)
		return 0, ErrDead
	}
	n, err := c.Conn.Write(b)
	c.life.wrote(b[:n])
	if !c.life.pass(AfterNATSWrite) {
		return 0, ErrDead
	}
	return n, err
}

// Read delivers what arrives while the life goes on.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.life.pass(BeforeNATSRead) {
		c.life.late.reads.Add(1)
		return 0, ErrDead
	}
	return n, err
}

// Close closes the connection.
func (c *conn) Close() error {
	c.life.disown(c.Conn)
	return c.Conn.Close()
}
