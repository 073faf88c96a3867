package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	// firstWithin is how long the first replica of a service may take to answer a
	// ping; where there is none, the server says so at once. quiet is how long it
	// must have been still before the replicas are counted.
	firstWithin = 10 * time.Second
	quiet       = 300 * time.Millisecond
	// answerWithin is how long a service may take: a provider's answer takes up to
	// its time-out.
	answerWithin = 75 * time.Second
)

// presence says who serves something.
type presence struct {
	replicas int
	unknown  error // whether anybody does could not be found out
}

// running says how many replicas there are.
func running(replicas int) string {
	if replicas == 1 {
		return "1 runs"
	}
	return fmt.Sprintf("%d run", replicas)
}

// wait says how many of something wait.
func wait(n uint64, what string) string {
	if n == 1 {
		return "1 " + what + " waits"
	}
	return fmt.Sprintf("%d %ss wait", n, what)
}

// present counts the replicas of all services.
func (e *examination) present(ctx context.Context) {
	names := []string{messages.ServiceOrders, messages.ServiceOperator}
	for _, p := range messages.Providers() {
		names = append(names, p.Service())
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	e.serving = make(map[string]presence)
	for _, name := range names {
		all.Go(func() {
			n, err := e.ping(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			e.serving[name] = presence{n, err}
		})
	}
	all.Wait()
}

// ping asks all replicas of a service to answer.
func (e *examination) ping(ctx context.Context, service string) (int, error) {
	subject, err := micro.ControlSubject(micro.PingVerb, service, "")
	if err != nil {
		return 0, err
	}
	inbox := e.nc.NewRespInbox()
	sub, err := e.nc.SubscribeSync(inbox)
	if err != nil {
		return 0, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := e.nc.PublishRequest(subject, inbox, nil); err != nil {
		return 0, err
	}
	ctx, forget := e.denials.expect(ctx, subject)
	defer forget()
	seen := map[string]bool{}
	for wait := firstWithin; ; wait = quiet {
		timed, cancel := context.WithTimeout(ctx, wait)
		m, err := sub.NextMsgWithContext(timed)
		cancel()
		switch {
		case errors.Is(err, nats.ErrNoResponders):
			return 0, nil
		case err != nil && len(seen) > 0:
			return len(seen), nil
		case err != nil && ctx.Err() != nil:
			return 0, denial(ctx, err)
		case err != nil:
			return 0, fmt.Errorf("nobody answered a ping within %s, and the server did not say that nobody is there", firstWithin)
		}
		var who micro.Ping
		if json.Unmarshal(m.Data, &who) == nil {
			seen[who.ID] = true
		}
	}
}

// answered is what a service answered.
type answered struct {
	body    []byte
	status  int // 0 for no error
	problem messages.Problem
}

// ask asks a service.
func (e *examination) ask(ctx context.Context, subject string, question any) (answered, error) {
	body, err := json.Marshal(question)
	if err != nil {
		return answered{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	ctx, forget := e.denials.expect(ctx, subject)
	defer forget()
	m, err := e.nc.RequestWithContext(ctx, subject, body)
	if err != nil {
		return answered{}, denial(ctx, err)
	}
	a := answered{body: m.Data}
	if code := m.Header.Get(micro.ErrorCodeHeader); code != "" {
		a.status, _ = strconv.Atoi(code)
		var p messages.ProblemBody
		if json.Unmarshal(m.Data, &p) == nil {
			a.problem = p.Error
		} else {
			a.problem.Message = m.Header.Get(micro.ErrorHeader)
		}
	}
	return a, nil
}
