package webhook

import (
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Handler is what answers a request.
func (d *Door) Handler() http.Handler { return http.HandlerFunc(d.serve) }

// CountComparisons counts how often tokens are compared.
func (d *Door) CountComparisons() *int {
	n, equal := new(int), d.keys.equal
	d.keys.equal = func(a, b []byte) bool { *n++; return equal(a, b) }
	return n
}

// Hint is the test's view of what is kept of a callback.
var Hint = hint

// The limits of a hint.
const (
	MaxValueBytes = maxValueBytes
	MaxHintBytes  = maxHintBytes
)

// Peer is the key under which a caller is counted.
var Peer = peer

// Limiter is the test's view of a limiter.
type Limiter struct{ l *limiter }

// NewLimiter returns one that remembers so many keys.
func NewLimiter(r Rate, keys int) Limiter { return Limiter{newLimiter(r, keys)} }

// Allow asks for one request.
func (l Limiter) Allow(key string, now time.Time) bool { return l.l.allow(key, now) }

// Keys is how many are remembered.
func (l Limiter) Keys() int { return len(l.l.busy.items) }

// Limit is the listener with a limit of connections.
func Limit(l net.Listener, most int) net.Listener {
	return limit(l, most, prometheus.NewGauge(prometheus.GaugeOpts{Name: "open"}))
}

// Outcomes are the labels of the metric, with the status each is answered with.
func Outcomes() map[string]int {
	all := make(map[string]int, len(statuses))
	for o, s := range statuses {
		all[string(o)] = s
	}
	return all
}

// RememberedOrders is how many orders' last callbacks are remembered.
func (d *Door) RememberedOrders() int {
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	return len(d.memory.last.items)
}

// Recognises reports whether the path is the address of an order.
func (d *Door) Recognises(path string) bool {
	_, known := d.recognise(&url.URL{Path: path})
	return known
}
