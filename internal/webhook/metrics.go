package webhook

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/beltline-io/beltline/pkg/messages"
)

// outcome is what came of a request. The set is closed, so that no text from
// outside becomes a label.
type outcome string

const (
	stored      outcome = "stored"      // as a command
	repeated    outcome = "repeated"    // the same was stored a moment ago
	orphaned    outcome = "orphaned"    // kept as a dead letter: it fits no order
	notFound    outcome = "not_found"   // no such path, or a wrong token
	notPosted   outcome = "not_posted"  // another method
	wrongType   outcome = "wrong_type"  // of content
	tooLarge    outcome = "too_large"   //
	tooSlow     outcome = "too_slow"    // the body did not come in time
	cutOff      outcome = "cut_off"     // the body did not come to its end
	unverified  outcome = "unverified"  // the provider did not sign this
	misdated    outcome = "misdated"    // signed, and of another time than now
	tooMany     outcome = "too_many"    // requests of this peer, or for this order
	unavailable outcome = "unavailable" // could not be stored; to be sent again
	broken      outcome = "broken"      // a fault of ours
)

// statuses holds the answer to each outcome. Only what is stored gets 200.
var statuses = map[outcome]int{
	stored:      http.StatusOK,
	repeated:    http.StatusOK,
	orphaned:    http.StatusOK,
	notFound:    http.StatusNotFound,
	notPosted:   http.StatusMethodNotAllowed,
	wrongType:   http.StatusUnsupportedMediaType,
	tooLarge:    http.StatusRequestEntityTooLarge,
	tooSlow:     http.StatusRequestTimeout,
	cutOff:      http.StatusBadRequest,
	unverified:  http.StatusUnauthorized,
	misdated:    http.StatusUnauthorized,
	tooMany:     http.StatusTooManyRequests,
	unavailable: http.StatusServiceUnavailable,
	broken:      http.StatusInternalServerError,
}

type metrics struct {
	requests *prometheus.CounterVec
	open     prometheus.Gauge
}

// newMetrics registers the metrics with r; with nil they count for nobody.
func newMetrics(r prometheus.Registerer, p messages.Provider) *metrics {
	f := promauto.With(r)
	labels := prometheus.Labels{"provider": string(p)}
	m := &metrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Namespace: "beltline", Subsystem: "webhook", Name: "requests_total", ConstLabels: labels,
			Help: "Callbacks by what came of them. Anything orphaned, unverified, misdated or broken needs a human.",
		}, []string{"outcome"}),
		open: f.NewGauge(prometheus.GaugeOpts{
			Namespace: "beltline", Subsystem: "webhook", Name: "connections", ConstLabels: labels,
			Help: "Connections that are open at the door.",
		}),
	}
	for o := range statuses {
		m.requests.WithLabelValues(string(o)) // an alarm on a rate needs the zero before the one
	}
	return m
}
