package pull

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// requestLife is how long a request stands at the server.
	requestLife = 30 * time.Second
	// heartbeat is how often the server says that a request still stands. After
	// twice that in silence it is taken to have forgotten: it was restarted before
	// its store was open, or the consumer has moved to another server.
	heartbeat = 5 * time.Second
	// calm is waited for before a request that the server has ended is made again.
	calm = time.Second
	// mostRefusals in a row are put up with. A server that has just come back
	// knows its consumers only a while later; one that was deleted never comes.
	mostRefusals = 10
)

// What the server says of a request, in the header Status of a message without
// a reply subject.
const (
	statusHeader   = "Status"
	leftHeader     = "Nats-Pending-Messages" // of the request, that will not come any more
	statusAlive    = "100"
	statusTimeout  = "408"
	statusConflict = "409"
	statusNobody   = "503"

	batchCompleted   = "Batch Completed" // a conflict that is none
	serverShutdown   = "Server Shutdown"
	leadershipChange = "Leadership Change"
)

var errInterrupted = errors.New("the server ended a request")

// request is the body of a request for messages.
type request struct {
	Batch     int           `json:"batch"`
	Expires   time.Duration `json:"expires"`
	Heartbeat time.Duration `json:"idle_heartbeat"`
}

// source asks one consumer for messages, and gives what comes to take.
type source struct {
	nc      *nats.Conn
	subject string // of requests
	sub     *nats.Subscription
	take    func(jetstream.Msg)
	ended   chan struct{} // closed when take is not called any more
	wake    chan struct{} // something is to be asked for
	failed  chan error

	mu       sync.Mutex
	asked    int // for so many messages, which have not come
	heard    time.Time
	calmTill time.Time // nothing is asked before
	refusals int       // since the server last kept to a request
}

// apiPrefix is where the API of JetStream is asked, with the dot that the
// library leaves out where it was told another place than its own.
func apiPrefix(js jetstream.JetStream) string {
	o, p := js.Options(), jetstream.DefaultAPIPrefix
	switch {
	case o.APIPrefix != "":
		p = o.APIPrefix
	case o.Domain != "":
		p = "$JS." + o.Domain + ".API"
	}
	return strings.TrimSuffix(p, ".") + "."
}

// listen opens the ear for answers; nothing is asked yet. take must not wait.
func listen(js jetstream.JetStream, c jetstream.Consumer, take func(jetstream.Msg)) (*source, error) {
	info := c.CachedInfo()
	s := &source{
		nc: js.Conn(), subject: apiPrefix(js) + "CONSUMER.MSG.NEXT." + info.Stream + "." + info.Name, take: take,
		ended: make(chan struct{}), wake: make(chan struct{}, 1), failed: make(chan error, 1), heard: time.Now(),
	}
	var err error
	if s.sub, err = s.nc.Subscribe(s.nc.NewInbox(), s.receive); err != nil {
		return nil, fmt.Errorf("pull: %w", err)
	}
	s.sub.SetClosedHandler(func(string) { close(s.ended) })
	if !s.sub.IsValid() { // closed before anybody was told
		return nil, fmt.Errorf("pull: %w", nats.ErrConnectionClosed)
	}
	// What was asked for bounds what may lie here; a second bound would drop.
	if err := s.sub.SetPendingLimits(-1, -1); err != nil {
		s.close()
		return nil, fmt.Errorf("pull: %w", err)
	}
	return s, nil
}

// run asks whenever wanted says so, until ctx ends or reading fails. freed
// tells that there is more room than before.
func (s *source) run(ctx context.Context, freed <-chan struct{}, wanted func(asked int) int) error {
	status := s.nc.StatusChanged(nats.CONNECTED)
	defer s.nc.RemoveStatusListener(status)
	tick := time.NewTicker(calm)
	defer tick.Stop()
	for {
		if err := s.ask(wanted); err != nil {
			return fmt.Errorf("pull: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-freed:
		case <-s.wake:
		case <-status:
			s.forget() // the old connection's requests may be gone with it
		case now := <-tick.C:
			s.forgetIfSilent(now)
		case err := <-s.failed:
			return fmt.Errorf("pull: %w", err)
		case <-s.ended:
			return fmt.Errorf("pull: %w", nats.ErrConnectionClosed)
		}
	}
}

// ask sends one request, if one is wanted. Without a connection it would lie in
// the client's buffer and be sent beside the one that follows the reconnect.
func (s *source) ask(wanted func(asked int) int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := wanted(s.asked)
	if n <= 0 || !s.nc.IsConnected() || time.Now().Before(s.calmTill) {
		return nil
	}
	body, err := json.Marshal(request{Batch: n, Expires: requestLife, Heartbeat: heartbeat})
	if err != nil {
		return err
	}
	if err := s.nc.PublishRequest(s.subject, s.sub.Subject, body); err != nil {
		return err
	}
	s.asked += n
	s.heard = time.Now() // the answer has its full time
	return nil
}

// forget asks for everything anew. Where the server has not forgotten, more
// comes than there is room for: it is taken all the same, and waits in line.
func (s *source) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.heard = 0, time.Now()
}

func (s *source) forgetIfSilent(now time.Time) {
	s.mu.Lock()
	silent := s.asked > 0 && now.Sub(s.heard) > 2*heartbeat
	s.mu.Unlock()
	if silent {
		s.forget()
	}
}

// receive sorts what comes. Only a delivery has a reply subject: headers alone
// tell nothing, because upstream may write any into its messages.
func (s *source) receive(msg *nats.Msg) {
	if msg.Reply != "" {
		s.take(&message{s.nc, msg}) // before it stops being counted as asked for
		s.arrived(1)
		return
	}
	text := msg.Header.Get("Description")
	switch status := msg.Header.Get(statusHeader); {
	case status == statusAlive, status == "":
		s.arrived(0)
	case status == statusTimeout, status == statusConflict && text == batchCompleted:
		left, _ := strconv.Atoi(msg.Header.Get(leftHeader))
		s.arrived(left)
		select {
		case s.wake <- struct{}{}:
		default:
		}
	case (status == statusNobody || text == serverShutdown || text == leadershipChange) && s.refused():
	default:
		select {
		case s.failed <- fmt.Errorf("%w: %s %s", errInterrupted, status, text):
		default: // one is enough
		}
	}
}

// refused notes that no request stands, and reports whether that may pass. What
// is in hand stays in hand meanwhile: to give it back there is nobody.
func (s *source) refused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals++
	s.asked, s.calmTill = 0, time.Now().Add(calm)
	return s.refusals <= mostRefusals
}

// arrived notes that the server is there, and that n messages are not on their
// way any more. More may come than is counted, after a reconnect.
func (s *source) arrived(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = max(s.asked-n, 0)
	s.heard, s.refusals = time.Now(), 0
}

// close asks for nothing more, and returns when everything that has come was
// taken.
func (s *source) close() {
	lost := s.nc.StatusChanged(nats.RECONNECTING, nats.CLOSED)
	defer s.nc.RemoveStatusListener(lost)
	// Drain hears the server out; without a connection there is nobody to hear.
	if s.nc.IsConnected() && s.sub.Drain() == nil {
		select {
		case <-s.ended:
			return
		case <-lost:
		}
	}
	_ = s.sub.Unsubscribe() // fails only where it is closed already
	<-s.ended
}
