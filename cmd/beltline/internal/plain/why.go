package plain

import (
	"fmt"
	"strings"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// codes says what an error code means where the code alone does not.
var codes = map[string]string{
	providers.CodeAccountRefused:   "the account cannot receive it",
	providers.CodeMaxCostExceeded:  "too expensive",
	providers.CodeCurrencyMismatch: "priced in another currency",
	providers.CodeInvalidOrder:     "not an acceptable order",
	providers.CodeTimeout:          "no answer in time",
	"no_answer":                    "the worker ended before it recorded an answer",
	"not_sent":                     "nothing was sent",
	"balance over":                 "our balance there is used up",
	"INSUFFICIENT_BALANCE":         "our balance there is used up",
	"WRONG_PRICE":                  "the price changed between question and order",
	"TRANSACTION_DUPLICATE":        "the provider knows this reference already",
	"CANCELED":                     "the provider canceled it",
	"REFUND":                       "the provider gave the money back",
}

// Provider is the provider's name as its owners write it.
func Provider(p messages.Provider) string {
	if r, ok := providers.Lookup(p); ok {
		return r.Title
	}
	return "an unknown provider"
}

// Cause says why an event has an error; empty where it has none.
func Cause(e *messages.Event) string {
	if e.Error == nil {
		return ""
	}
	text := e.Error.Code
	if words, ok := codes[e.Error.Code]; ok {
		text = words
	}
	if len(e.Error.Faults) > 0 {
		faults := make([]string, len(e.Error.Faults))
		for i, f := range e.Error.Faults {
			faults[i] = strings.TrimSpace(f.Pointer + " " + f.Message)
		}
		return text + ": " + strings.Join(faults, "; ")
	}
	if m := e.Error.Message; m != "" && m != e.Error.Code && !strings.Contains(text, m) {
		text += " (" + m + ")"
	}
	return text
}

// Why says in a few words what an event means.
func Why(e *messages.Event) string {
	switch e.Type {
	case messages.Accepted:
		return "valid and stored; waits for " + Provider(e.Provider)
	case messages.Rejected:
		return Cause(e)
	case messages.Placing:
		return fmt.Sprintf("attempt %d, about to call %s", e.Attempt, Provider(e.Provider))
	case messages.Retrying:
		return "nothing was bought, tried again: " + Cause(e)
	case messages.ActionRequired:
		return "the customer must act"
	case messages.Processing:
		return Provider(e.Provider) + " has it and works on it"
	case messages.OnHold:
		return Provider(e.Provider) + " holds it"
	case messages.Unresolved:
		if e.NeedsOperator {
			return "perhaps bought; only an operator can find out: " + Cause(e)
		}
		return "perhaps bought, being looked into: " + Cause(e)
	case messages.Succeeded:
		return succeeded(e)
	case messages.Failed:
		return "not delivered: " + Cause(e)
	case messages.Canceled:
		return "canceled before it was bought" + quoted(e.Evidence["cancel_reason"])
	case messages.Expired:
		return "its time was over before it was bought"
	case messages.Reversed:
		return Provider(e.Provider) + " took it back"
	case messages.CancelRefused:
		return "too late to cancel"
	case messages.ConfirmRefused:
		return "nothing to confirm"
	case messages.LateEvidence:
		return "an answer came late"
	default:
		return string(e.Type)
	}
}

func quoted(reason any) string {
	if text, ok := reason.(string); ok && text != "" {
		return ": " + text
	}
	return ""
}

func succeeded(e *messages.Event) string {
	if e.Finality == messages.ProviderAccepted {
		return "bought; accepted by " + Provider(e.Provider) + ", which cannot be asked further"
	}
	return "bought and delivered"
}

// Spent is what an order cost, or "" where that is not known. What a top-up was
// asked for is not its cost.
func Spent(e *messages.Event) string {
	if e.Cost == nil {
		return ""
	}
	return e.Cost.String()
}

// Outcome is the word for where an order stands.
func Outcome(e *messages.Event) string {
	if e.State == messages.Unresolved && e.NeedsOperator {
		return "unresolved (operator)"
	}
	return string(e.State)
}

// Settled reports whether nothing more happens by itself: the order has ended,
// or an operator must decide.
func Settled(e *messages.Event) bool {
	return e.Terminal() || e.State == messages.Unresolved && e.NeedsOperator
}
