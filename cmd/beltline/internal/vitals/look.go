package vitals

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

// Backlog is what waits in a consumer.
type Backlog struct {
	Waiting uint64 `json:"waiting"` // nobody has taken it
	InHand  int    `json:"in_hand"` // a worker has it
}

// Status is how the work for a provider stands. What could not be found out is
// null, and is named in Unreached.
type Status struct {
	Provider messages.Provider    `json:"provider"`
	Lane     *messages.LaneStatus `json:"lane"`
	Place    *Backlog             `json:"place"`  // orders that wait to be placed
	Follow   *Backlog             `json:"follow"` // placed ones that are due to be looked at
	Workers  []Replica            `json:"workers"`
	// Balance is what we have there, of a provider that tells; missing where it
	// does not, or was not asked: while its lane is closed nobody asks it.
	Balance   *money.Money `json:"balance,omitempty"`
	Unreached []Trouble    `json:"unreached"`
}

// Trouble is something that could not be found out.
type Trouble struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Options say how to look.
type Options struct {
	// Balances also asks for our balance, which takes a request of the provider's
	// rate limit.
	Balances bool
	// Wait is how long answers are waited for.
	Wait time.Duration
}

// Look finds out all about some providers at once.
func Look(ctx context.Context, c *upstream.Client, providers []messages.Provider, o Options) []Status {
	ctx, cancel := context.WithTimeout(ctx, o.Wait)
	defer cancel()
	all := make([]Status, len(providers))
	var each sync.WaitGroup
	for i, p := range providers {
		each.Go(func() { all[i] = look(ctx, c, p, o) })
	}
	each.Wait()
	return all
}

// look asks everything at once: a person waits, and what does not answer must
// not hold up the rest.
func look(ctx context.Context, c *upstream.Client, p messages.Provider, o Options) Status {
	s := Status{Provider: p, Workers: []Replica{}, Unreached: []Trouble{}}
	var mu sync.Mutex
	var all sync.WaitGroup
	ask := func(what string, find func() error) {
		all.Go(func() {
			if err := find(); err != nil {
				mu.Lock()
				defer mu.Unlock()
				s.Unreached = append(s.Unreached, Trouble{what, told(err)})
			}
		})
	}
	ask("lane", func() (err error) { s.Lane, err = laneOf(ctx, c, p); return err }) // the lane may be there with an error beside it
	ask("place", func() (err error) { s.Place, err = backlog(ctx, c, p.PlaceConsumer()); return err })
	ask("follow", func() (err error) { s.Follow, err = backlog(ctx, c, p.FollowConsumer()); return err })
	ask("workers", func() error {
		found, err := replicas(ctx, c.Conn, p)
		if err == nil {
			s.Workers = found
		}
		return err
	})
	if o.Balances && tellsBalance(p) {
		ask("balance", func() (err error) { s.Balance, err = balance(ctx, c, p); return err })
	}
	all.Wait()
	return s
}

// told is an error in the words of this page.
func told(err error) string {
	var refusal *client.ServiceError
	switch {
	case errors.As(err, &refusal):
		return fmt.Sprintf("%d: %s", refusal.Status, refusal.Problem.Message)
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	default:
		return err.Error()
	}
}

func laneOf(ctx context.Context, c *upstream.Client, p messages.Provider) (*messages.LaneStatus, error) {
	status, direct, err := Change(ctx, c, messages.LaneAsked{Provider: p, Action: messages.LaneShow})
	if err == nil && direct {
		err = errDirect
	}
	return status, err
}

var errDirect = errors.New("no dispatcher answers; the lane was read from the bucket, and the rate limit is not known")

func askLane(ctx context.Context, c *upstream.Client, asked messages.LaneAsked) (*messages.LaneStatus, error) {
	body, err := c.Ask(ctx, messages.OperatorServiceSubject("lane"), asked)
	if err != nil {
		return nil, err
	}
	var status messages.LaneStatus
	if err := json.Unmarshal(body, &status); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	return &status, nil
}

func backlog(ctx context.Context, c *upstream.Client, consumer string) (*Backlog, error) {
	info, err := c.JS.Consumer(ctx, messages.StreamCommands, consumer)
	if err != nil {
		return nil, fmt.Errorf("consumer %s: %w", consumer, err)
	}
	i := info.CachedInfo()
	return &Backlog{Waiting: i.NumPending, InHand: i.NumAckPending}, nil
}

// methodBalance is the method of those providers that tell our balance.
const methodBalance = "balance"

func tellsBalance(p messages.Provider) bool {
	for _, m := range p.ServiceMethods() {
		if m == methodBalance {
			return true
		}
	}
	return false
}

func balance(ctx context.Context, c *upstream.Client, p messages.Provider) (*money.Money, error) {
	body, err := c.Ask(ctx, messages.ProviderServiceSubject(p, methodBalance), struct{}{})
	var refusal *client.ServiceError
	switch {
	case errors.Is(err, upstream.ErrNotAsked):
		return nil, errors.New("no worker answers")
	case errors.As(err, &refusal) && refusal.Problem.Code == messages.ProblemLaneClosed:
		return nil, nil //nolint:nilnil // nothing is asked while the lane is closed, and the lane tells why
	case err != nil:
		return nil, err
	}
	var answer struct {
		Balance *money.Money `json:"balance"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Balance == nil {
		return nil, errors.New("the answer cannot be read")
	}
	return answer.Balance, nil
}
