package worker

import (
	"context"
	"encoding/json"
	"time"

	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// carryOut asks the provider to cancel or confirm, as upstream requested. The
// command is kept until the provider has answered: it is not in the ledger.
func (t *task) carryOut(ctx context.Context) error {
	done, denied := order.CancelDone, order.CancelDenied
	ask := providers.Follower.Cancel
	if t.addr.Verb == messages.Confirm {
		done, denied = order.ConfirmDone, order.ConfirmDenied
		ask = providers.Follower.Confirm
	}
	c := order.Change{Input: denied, Origin: t.origin(), Evidence: t.reason()}
	if w := t.entry.Event.Work; w != nil && w.Origin == c.Origin {
		return t.succeedBy(ctx) // answered before, and delivered again: the provider might say otherwise now
	}
	follower, able := t.provider.(providers.Follower)
	if able && t.entry.Event.State == messages.ActionRequired {
		asked, cancel := context.WithTimeout(ratelimit.WithUse(t.recording(ctx), ratelimit.ForCustomer), t.o.Timeout)
		asked, told := t.answering(asked, customers, string(t.addr.Verb))
		err := ask(follower, asked, t.purchase(t.referenceOf(t.recordedN())))
		told(err)
		cancel()
		c.HTTP = t.records()
		e := providers.AsError(err)
		switch {
		case err == nil:
			c.Input = done
		case e.Class == providers.Rejected || e.Class == providers.Invalid:
			c.Error = wireError(e)
		default:
			t.log.Warn().Str(logkey.Class, e.Class.String()).Str(logkey.Code, e.Code).Err(err).Msg("the provider did not answer a request of the customer; it is asked again")
			t.tellLane(ctx, e)
			return &errLater{min(max(t.o.Times.PollFirst, e.RetryAfter), 30*time.Second), "the provider did not answer"}
		}
	}
	return t.finish(ctx, c)
}

// reason is why upstream asks, as the dispatcher passes it on; nil for none.
func (t *task) reason() map[string]any {
	const key = "cancel_reason" // as where the dispatcher cancels by itself
	var given map[string]string
	if t.addr.Verb != messages.Cancel || json.Unmarshal(t.cmd.Hint, &given) != nil || given[key] == "" {
		return nil
	}
	return map[string]any{key: given[key]}
}

func (t *task) origin() string {
	return messages.Origin(t.meta.Stream, t.meta.Sequence.Stream, t.msg.Subject())
}
