package procs

import (
	"net"
	"sync"
	"time"

	"github.com/beltline-io/beltline/test/crash/check"
)

// Proxy is the network between a process and the server. It can hold back
// everything that either says while the rest of the world goes on, and it can
// break all connections at once.
type Proxy struct {
	process  string
	target   string
	journal  *Journal
	listener net.Listener

	mu    sync.Mutex
	open  chan struct{} // closed while bytes may pass
	conns map[net.Conn]bool
	done  bool
}

// NewProxy listens before target for a process.
func NewProxy(process, target string, journal *Journal) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{process: process, target: target, journal: journal, listener: listener, open: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(p.open)
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p, nil
}

// URL is where the process finds the server.
func (p *Proxy) URL() string { return "nats://" + p.listener.Addr().String() }

func (p *Proxy) serve(client net.Conn) {
	server, err := net.DialTimeout("tcp", p.target, time.Second)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[server] = true, true
	done := p.done
	p.mu.Unlock()
	if done {
		p.drop(client, server)
		return
	}
	go p.carry(client, server)
	p.carry(server, client)
}

// carry takes bytes from one side to the other until either ends.
func (p *Proxy) carry(to, from net.Conn) {
	defer p.drop(to, from)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		open := p.open
		p.mu.Unlock()
		<-open
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *Proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}

// Carries reports whether any connection goes through it.
func (p *Proxy) Carries() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) > 0
}

// Hold keeps everything back until Release; false if it is kept back already.
func (p *Proxy) Hold() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
		p.journal.Note(check.Network, p.process, check.Troubled, "cut off from the server")
		p.open = make(chan struct{})
		return true
	default:
		return false
	}
}

// Release lets everything pass that was kept back, and all that follows.
func (p *Proxy) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
	default:
		p.journal.Note(check.Network, p.process, check.Troubled, "reaches the server again")
		close(p.open)
	}
}

// Reset breaks all connections.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.journal.Note(check.Network, p.process, check.Troubled, "connections broken")
	for c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset, which nobody takes for an orderly end
		}
		_ = c.Close()
	}
}

// Close ends it, and every connection through it.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.Release()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	for c := range p.conns {
		_ = c.Close()
	}
}
