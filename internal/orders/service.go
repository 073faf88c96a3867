package orders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Codes of the header Nats-Service-Error-Code.
const (
	codeBadRequest  = "400"
	codeNotFound    = "404"
	codeInternal    = "500"
	codeUnavailable = "503"
)

const (
	serviceVersion = "1.0.0" // of the service's interface
	atOnce         = 64
	answerWithin   = 5 * time.Second
	maxRequest     = 1 << 10
)

// Ledger is what the service needs of the ledger.
type Ledger interface {
	Last(ctx context.Context, tenant, orderID string) (*ledger.Entry, error)
	History(ctx context.Context, tenant, orderID string) ([]ledger.Entry, error)
}

// Options configure the service.
type Options struct {
	Log zerolog.Logger
}

// Service is one replica of the service "orders".
type Service struct {
	nc     *nats.Conn
	ledger Ledger
	log    zerolog.Logger
	micro  micro.Service
	ctx    context.Context //nolint:containedctx // the life of the service; requests have none of their own
	stop   context.CancelFunc
	slots  chan struct{}
	busy   sync.WaitGroup
}

// Serve begins to answer.
func Serve(nc *nats.Conn, l Ledger, o Options) (*Service, error) {
	ctx, stop := context.WithCancel(context.Background())
	s := &Service{
		nc: nc, ledger: l, log: o.Log.With().Str(logkey.Part, "orders").Logger(),
		ctx: ctx, stop: stop, slots: make(chan struct{}, atOnce),
	}
	svc, err := micro.AddService(nc, micro.Config{
		Name: "orders", Version: serviceVersion, Description: "the orders of a tenant, read from the ledger",
	})
	if err != nil {
		stop()
		return nil, fmt.Errorf("orders: %w", err)
	}
	s.micro = svc
	for name, answer := range map[string]answerer{"get": s.last, "history": s.history} {
		handler := micro.HandlerFunc(func(r micro.Request) { s.begin(r, answer) })
		if err := svc.AddEndpoint(name, handler, micro.WithEndpointSubject("svc.orders.*."+name)); err != nil {
			s.Stop()
			return nil, fmt.Errorf("orders: endpoint %s: %w", name, err)
		}
	}
	return s, nil
}

// Stop takes no more questions and waits for the answers under way.
func (s *Service) Stop() {
	if err := s.micro.Stop(); err != nil {
		s.log.Debug().Err(err).Msg("service was not stopped cleanly")
	}
	s.busy.Wait()
	s.stop()
}

type answerer func(ctx context.Context, tenant, id string) ([]byte, error)

// failure is an error with a code for the header.
type failure struct{ code, text string }

func (f *failure) Error() string { return f.text }

// begin answers in a goroutine of its own: an endpoint has one subscription,
// and one slow answer must not hold up the others. It answers by itself, since
// micro reads a request's fate as soon as the handler has returned.
func (s *Service) begin(r micro.Request, answer answerer) {
	s.slots <- struct{}{}
	s.busy.Go(func() {
		defer func() { <-s.slots }()
		ctx, cancel := context.WithTimeout(s.ctx, answerWithin)
		defer cancel()
		reply := nats.NewMsg(r.Reply())
		body, err := s.answer(ctx, r, answer)
		if err == nil {
			reply.Data = body
			reply.Header.Set("Content-Type", "application/json")
		} else {
			f := s.explain(err)
			reply.Header.Set(micro.ErrorHeader, f.text)
			reply.Header.Set(micro.ErrorCodeHeader, f.code)
		}
		if err := s.nc.PublishMsg(reply); err != nil {
			s.log.Warn().Err(err).Str(logkey.Subject, r.Subject()).Msg("an answer was not sent")
		}
	})
}

func (s *Service) answer(ctx context.Context, r micro.Request, answer answerer) ([]byte, error) {
	parts := strings.Split(r.Subject(), ".")
	if len(parts) != 4 || !messages.ValidTenant(parts[2]) {
		return nil, &failure{codeBadRequest, "the tenant in the subject is unusable or reserved"}
	}
	id, err := decode(r.Data())
	if err != nil {
		return nil, &failure{codeBadRequest, err.Error()}
	}
	body, err := answer(ctx, parts[2], id)
	if err != nil {
		return nil, err
	}
	if limit := s.nc.MaxPayload(); int64(len(body)) > limit-maxRequest {
		return nil, &failure{codeInternal, fmt.Sprintf("the answer has %d bytes, more than a message may have (%d); read %s of the stream %s instead",
			len(body), limit, messages.OrderEvents(parts[2], id), messages.StreamEvents)}
	}
	return body, nil
}

func (s *Service) last(ctx context.Context, tenant, id string) ([]byte, error) {
	entry, err := s.ledger.Last(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	return entry.Event.MarshalJSON()
}

func (s *Service) history(ctx context.Context, tenant, id string) ([]byte, error) {
	entries, err := s.ledger.History(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	all := []byte{'['}
	for i, entry := range entries {
		event, err := entry.Event.MarshalJSON()
		if err != nil {
			return nil, err
		}
		if i > 0 {
			all = append(all, ',')
		}
		all = append(all, event...)
	}
	return append(all, ']'), nil
}

// explain gives every error a code. What went wrong inside is for our log.
func (s *Service) explain(err error) *failure {
	var f *failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, ledger.ErrNotFound):
		return &failure{codeNotFound, "no such order"}
	case errors.Is(err, ledger.ErrInvalid):
		s.log.Error().Err(err).Msg("an event of the ledger cannot be read")
		return &failure{codeInternal, "the order's events cannot be read"}
	default:
		s.log.Warn().Err(err).Msg("ledger did not answer a question")
		return &failure{codeUnavailable, "the ledger does not answer; ask again"}
	}
}

// decode reads {"id":"…"} and nothing else. The id goes into a filter, so it
// must be a token: "*" would be another order's.
func decode(body []byte) (string, error) {
	if len(body) > maxRequest {
		return "", fmt.Errorf("body: is longer than %d bytes", maxRequest)
	}
	d := json.NewDecoder(strings.NewReader(string(body)))
	if err := expect(d, json.Delim('{')); err != nil {
		return "", err
	}
	id, given := "", false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return "", errNotJSON
		}
		value, err := d.Token()
		text, isText := value.(string)
		switch {
		case err != nil:
			return "", errNotJSON
		case key != "id":
			return "", errors.New("body: has a field other than id")
		case given:
			return "", errors.New("/id: stands twice")
		case !isText || !messages.ValidToken(text):
			return "", errors.New("/id: must be 1 to 64 letters, digits, - and _")
		}
		id, given = text, true
	}
	if err := expect(d, json.Delim('}')); err != nil {
		return "", err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", errNotJSON
	}
	if !given {
		return "", errors.New("/id: is missing")
	}
	return id, nil
}

var errNotJSON = errors.New("body: is not one JSON object")

func expect(d *json.Decoder, want json.Delim) error {
	if got, err := d.Token(); err != nil || got != want {
		return errNotJSON
	}
	return nil
}
