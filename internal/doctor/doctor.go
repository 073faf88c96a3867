package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	// OK: it is as it should be.
	OK Severity = "ok"
	// Note: worth knowing, or not known.
	Note Severity = "note"
	// Warning: orders get through, and somebody should look.
	Warning Severity = "warning"
	// Fault: orders are stopped, delayed or in danger.
	Fault Severity = "fault"
)

// Finding is one thing that was looked at.
type Finding struct {
	Severity Severity `json:"severity"`
	// Check names what was looked at, such as "stream EVENTS".
	Check string `json:"check"`
	Found string `json:"found"`
	// Means is what follows for orders, and Do what to do about it. Both are empty
	// where all is well.
	Means string `json:"means,omitempty"`
	Do    string `json:"do,omitempty"`
}

// Options say what to look at. What has no default is required.
type Options struct {
	// Connect reaches the server at once or fails.
	Connect func() (*nats.Conn, jetstream.JetStream, error)
	// Settings are those of the programs, as far as they are known here, and Given
	// says of a variable whether it was set: what was not is no yardstick.
	Settings topology.Settings
	Given    func(variable string) bool
	// Serving are the providers that must have a worker; without any, those must
	// for which something waits.
	Serving []messages.Provider
	// Callbacks is where providers reach us, by provider, without the path that
	// the door adds.
	Callbacks map[messages.Provider]string
	// Monitor is the address of the server's monitoring port; empty for none.
	Monitor string
	// Stuck is how long nothing may have happened to an order that is to be placed
	// [10m], and Waiting the same where it waits for a time or a provider [2h].
	Stuck, Waiting time.Duration
	// HTTP makes the requests to Monitor and Callbacks; nil for one of its own.
	HTTP *http.Client
	// Now is the clock of this machine; nil for the system's.
	Now func() time.Time
}

const (
	// httpTimeout bounds a request to a door or to the monitoring port.
	httpTimeout = 10 * time.Second

	stuckAfter   = 10 * time.Minute
	waitingAfter = 2 * time.Hour
)

// Examine looks at everything. It ends early only where nothing else can be
// looked at.
func Examine(ctx context.Context, o Options) []Finding {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: httpTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a door does not move, and what it redirects to is not ours
		}}
	}
	o.Stuck, o.Waiting = cmp.Or(o.Stuck, stuckAfter), cmp.Or(o.Waiting, waitingAfter)
	if o.Given == nil {
		o.Given = func(string) bool { return false }
	}
	e := &examination{o: o, settings: o.Settings}
	e.run(ctx)
	return e.all
}

// examination is one run.
type examination struct {
	o        Options
	nc       *nats.Conn
	js       jetstream.JetStream
	denials  *denials
	found    topology.Found
	settings topology.Settings // o.Settings with what is recorded in place of what was not given
	monitor  *monitored
	serving  map[string]presence // by service
	all      []Finding
}

func (e *examination) run(ctx context.Context) {
	nc, js, err := e.o.Connect()
	if err != nil {
		found, _, _ := strings.Cut(err.Error(), "\n") // what to do about it is said below
		e.add(Finding{
			Fault, "nats", found, "no order is taken, and none is worked on",
			"start the server, or say where it is with --nats-url or NATS_URL",
		})
		e.doors(ctx)
		return
	}
	defer nc.Close()
	e.nc, e.js, e.denials = nc, js, newDenials(nc)
	e.server(ctx)
	if !e.jetStream(ctx) {
		e.doors(ctx) // all else stands on it
		return
	}
	e.streams(ctx)
	e.clock(ctx)
	e.durability()
	e.ledger(ctx)
	e.present(ctx)
	e.dispatcher(ctx)
	e.deadLetters(ctx)
	e.lanes(ctx)
	e.workers()
	e.accounts(ctx)
	e.doors(ctx)
}

func (e *examination) add(f Finding) { e.all = append(e.all, f) }

func (e *examination) well(check, format string, args ...any) {
	e.add(Finding{Severity: OK, Check: check, Found: fmt.Sprintf(format, args...)})
}

func (e *examination) note(check, found, do string) {
	e.add(Finding{Severity: Note, Check: check, Found: found, Do: do})
}

// unknown says that something could not be looked at. That is no fault of what
// was to be looked at, but nobody may take it for well.
func (e *examination) unknown(check string, err error) {
	e.add(Finding{
		Warning, check, "could not be asked: " + err.Error(), "not known",
		"ask again; if it stays, see whether this user may ask for it",
	})
}

// providers are those to look at.
func (e *examination) providers() []messages.Provider {
	if len(e.o.Serving) > 0 {
		return e.o.Serving
	}
	return messages.Providers()
}
