package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/telemetry"
	"github.com/beltline-io/beltline/pkg/messages"
)

// version is that of the interfaces.
const version = "1.0.0"

// headroom is what is left of the greatest message for its headers.
const headroom = 1 << 10

// The keys of an endpoint's metadata.
const (
	MetaAbout   = "description"
	MetaRequest = "request_schema"
	MetaAnswer  = "answer_schema"
	// MetaOpen is "true" where an upstream account may ask.
	MetaOpen = "upstream"
)

// Request is a question.
type Request struct {
	Subject string
	Body    []byte
}

// Answer is what is answered.
type Answer struct {
	// Body is written as JSON; a json.RawMessage as it is.
	Body any
	// AskedAt is when a provider was asked; zero for none.
	AskedAt time.Time
	// Shortened says what was left out of the answer, so that it fits; empty for nothing.
	Shortened string
	// Instead says what to do where the answer is longer than a message may be.
	Instead string
}

// Endpoint is one method of a service.
type Endpoint struct {
	Name, Subject string
	Interface     messages.Interface
	Upstream      bool
	Answer        func(ctx context.Context, r Request) (Answer, error)
}

// Options configure a service. All are required unless said otherwise.
type Options struct {
	Name, Description string
	Log               zerolog.Logger
	// AtOnce is how many questions are worked on at once.
	AtOnce int
	// Within bounds the work on one question.
	Within time.Duration
	// Refuse: what comes while so many are worked on is refused, and does not wait.
	Refuse bool
	// Explain tells the failure of an error that is none yet; nil for none.
	Explain func(error) *Failure
}

// Service is one replica of a service.
type Service struct {
	nc    *nats.Conn
	o     Options
	log   zerolog.Logger
	micro micro.Service
	ctx   context.Context //nolint:containedctx // the life of the service; requests have none of their own
	stop  context.CancelFunc
	slots chan struct{}
	busy  sync.WaitGroup
	tally tallies
}

// Serve begins to answer.
func Serve(nc *nats.Conn, o Options, endpoints ...Endpoint) (*Service, error) {
	ctx, stop := context.WithCancel(context.Background())
	s := &Service{
		nc: nc, o: o, log: o.Log.With().Str(logkey.Part, o.Name).Logger(), ctx: ctx, stop: stop, slots: make(chan struct{}, o.AtOnce),
	}
	svc, err := micro.AddService(nc, micro.Config{
		Name: o.Name, Version: version, Description: o.Description,
		StatsHandler: func(e *micro.Endpoint) any { return s.tally.of(e.Name) },
	})
	if err != nil {
		stop()
		return nil, fmt.Errorf("service %s: %w", o.Name, err)
	}
	s.micro = svc
	for _, e := range endpoints {
		handler := micro.HandlerFunc(func(r micro.Request) { s.begin(r, e) })
		err := svc.AddEndpoint(e.Name, handler, micro.WithEndpointSubject(e.Subject), micro.WithEndpointMetadata(map[string]string{
			MetaAbout: e.Interface.About, MetaRequest: string(e.Interface.Request), MetaAnswer: string(e.Interface.Answer),
			MetaOpen: strconv.FormatBool(e.Upstream),
		}))
		if err != nil {
			s.Stop()
			return nil, fmt.Errorf("service %s: endpoint %s: %w", o.Name, e.Name, err)
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

// begin answers in a goroutine of its own: an endpoint has one subscription,
// and one slow answer must not hold up the others. It answers by itself, since
// micro reads a request's fate as soon as the handler has returned.
func (s *Service) begin(r micro.Request, e Endpoint) {
	if s.o.Refuse {
		select {
		case s.slots <- struct{}{}:
		default:
			f := Fail(TooMany, messages.ProblemBusy, "%d questions are worked on already", s.o.AtOnce)
			f.After = leastWait
			s.reply(r, s.failed(e, f))
			return
		}
	} else {
		s.slots <- struct{}{}
	}
	s.busy.Go(func() {
		defer func() { <-s.slots }()
		ctx, cancel := context.WithTimeout(s.ctx, s.o.Within)
		defer cancel()
		ctx, span := telemetry.Serve(ctx, s.o.Name+" "+e.Name, nats.Header(r.Headers()))
		defer span.End()
		begun := time.Now()
		m := s.answer(ctx, r, e)
		s.tally.took(e.Name, time.Since(begun))
		s.reply(r, m)
	})
}

func (s *Service) reply(r micro.Request, m *nats.Msg) {
	if r.Reply() == "" {
		return // nobody waits
	}
	m.Subject = r.Reply()
	if err := s.nc.PublishMsg(m); err != nil {
		s.log.Warn().Err(err).Str(logkey.Subject, r.Subject()).Msg("an answer was not sent")
	}
}

// answer makes the message that answers a question.
func (s *Service) answer(ctx context.Context, r micro.Request, e Endpoint) (m *nats.Msg) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error().Interface("panic", p).Bytes("stack", debug.Stack()).Str(logkey.Subject, r.Subject()).
				Msg("a question made the service panic")
			m = s.failed(e, Fail(Internal, messages.ProblemInternal, "the question cannot be answered"))
		}
	}()
	a, err := e.Answer(ctx, Request{Subject: r.Subject(), Body: r.Data()})
	if err != nil {
		return s.failed(e, s.explain(err))
	}
	body, err := Marshal(a.Body)
	if err != nil {
		s.log.Error().Err(err).Str(logkey.Subject, r.Subject()).Msg("an answer cannot be written")
		return s.failed(e, Fail(Internal, messages.ProblemInternal, "the answer cannot be written"))
	}
	if limit := s.Room(); len(body) > limit {
		return s.failed(e, Fail(Internal, messages.ProblemInternal, "the answer has %d bytes, more than a message may have (%d); %s", len(body), limit, a.Instead))
	}
	m = nats.NewMsg("")
	m.Data = body
	m.Header.Set("Content-Type", "application/json")
	if a.Shortened != "" {
		m.Header.Set(messages.HeaderShortened, a.Shortened)
	}
	if !a.AskedAt.IsZero() {
		m.Header.Set(messages.HeaderAskedAt, messages.Stamp(a.AskedAt).Format(time.RFC3339Nano))
	}
	return m
}

// Room is how long an answer may be, in bytes.
func (s *Service) Room() int { return Room(s.nc) }

// Room is how long an answer may be on a connection, in bytes.
func Room(nc *nats.Conn) int { return int(nc.MaxPayload()) - headroom }

func (s *Service) explain(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	if s.o.Explain != nil {
		if f := s.o.Explain(err); f != nil {
			return f
		}
	}
	s.log.Error().Err(err).Msg("a question met with an error that has no number")
	return Fail(Internal, messages.ProblemInternal, "the question cannot be answered")
}

// failed counts a failure and makes its message.
func (s *Service) failed(e Endpoint, f *Failure) *nats.Msg {
	s.tally.note(e.Name, f)
	m := nats.NewMsg("")
	m.Header.Set(micro.ErrorHeader, line(f.Problem.Message))
	m.Header.Set(micro.ErrorCodeHeader, strconv.Itoa(f.Status))
	m.Header.Set("Content-Type", "application/json")
	if f.After > 0 {
		m.Header.Set(messages.HeaderRetryAfter, f.seconds())
	}
	body, err := Marshal(messages.ProblemBody{Error: f.explained()})
	if err != nil || len(body) > s.Room() {
		body = nil // texts and numbers always can be written, and a request's faults are few
	}
	m.Data = body
	return m
}

// line fits a text into a header.
func line(text string) string {
	const most = 500
	text = string(bytes.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, []byte(text)))
	if len(text) > most {
		text = string(bytes.ToValidUTF8([]byte(text[:most]), nil)) + "…"
	}
	return text
}

// Marshal is json.Marshal without the escapes for HTML, which would lengthen
// what is stored without them.
func Marshal(v any) ([]byte, error) {
	if raw, ok := v.(json.RawMessage); ok {
		return raw, nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
