package natstest

import "github.com/nats-io/nats-server/v2/server"

// WithMonitor opens the server's monitoring port on a free loopback port.
func WithMonitor() Option {
	return Configure(func(o *server.Options) { o.HTTPHost, o.HTTPPort = loopback, server.RANDOM_PORT })
}

// MonitorURL is where the monitoring port is; empty without [WithMonitor], and
// while the server is stopped.
func (s *Server) MonitorURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.srv == nil || s.srv.MonitorAddr() == nil {
		return ""
	}
	return "http://" + s.srv.MonitorAddr().String()
}
