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
	providers.CodeMinGetNotMet:     "too little would arrive",
	"cancel":                       "the exchange was given up there",
	"delete":                       "the exchange was deleted there",
}

// ends says what SkinsBack's own words for the end of a deposit mean. They are
// apart because "timeout" is also what a lost answer is called.
var ends = map[string]string{
	"timeout":        "the customer chose no skins in time",
	"trade_timeout":  "the customer did not take the trade in time",
	"trade_canceled": "the trade was canceled in Steam",
	"hold_returned":  "Steam took the trade back",
}

// done is what a kind is for, as it reads after "certainly not" and "perhaps".
func done(k messages.Kind) string {
	switch k {
	case messages.Deposit, messages.Exchange:
		return "made"
	case messages.PartnerPayout:
		return "paid out"
	default:
		return "bought"
	}
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
	return strings.ReplaceAll(Clean(cause(e)), "\n", " ")
}

func cause(e *messages.Event) string {
	text := e.Error.Code
	if words, ok := codes[e.Error.Code]; ok {
		text = words
	}
	if words, ok := ends[e.Error.Code]; ok && ended(e) {
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

// ended reports whether SkinsBack itself has ended a deposit.
func ended(e *messages.Event) bool {
	return e.Kind == messages.Deposit && (e.State == messages.Failed || e.State == messages.Reversed) && e.Evidence["deposit_status"] != nil
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
		return retrying(e)
	case messages.ActionRequired:
		return asked(e)
	case messages.Processing:
		return Provider(e.Provider) + " has it and works on it"
	case messages.OnHold:
		return held(e)
	case messages.Unresolved:
		if e.NeedsOperator {
			return "perhaps " + done(e.Kind) + "; only an operator can find out" + because(e)
		}
		return "perhaps " + done(e.Kind) + ", being looked into" + because(e)
	case messages.Succeeded:
		return succeeded(e)
	case messages.Failed:
		return failed(e)
	case messages.Canceled:
		return canceled(e) + quoted(e.Evidence["cancel_reason"])
	case messages.Expired:
		return "its time was over before it was " + done(e.Kind)
	case messages.Reversed:
		return Provider(e.Provider) + " took it back" + because(e)
	case messages.CancelRefused:
		return "too late to cancel"
	case messages.ConfirmRefused:
		return "nothing to confirm"
	case messages.LateEvidence:
		return "an answer came late"
	case messages.Forgotten:
		return "erased; the id stays used"
	default:
		return string(e.Type)
	}
}

func quoted(reason any) string {
	if text, ok := reason.(string); ok && text != "" {
		return ": " + strings.ReplaceAll(Clean(text), "\n", " ")
	}
	return ""
}

// because is the cause behind a colon, where there is one.
func because(e *messages.Event) string {
	if cause := Cause(e); cause != "" {
		return ": " + cause
	}
	return ""
}

// codeLinkLost is the code of a deposit that was found without its link.
const codeLinkLost = "pay_url_lost"

// retrying: a deposit whose link was lost stands in the provider's books, so
// "nothing was made" would be wrong of it. Nobody can pay it.
func retrying(e *messages.Event) string {
	if e.Error != nil && e.Error.Code == codeLinkLost {
		return "its link to pay at was lost, and no money has moved; another one is asked for"
	}
	return "nothing was " + done(e.Kind) + ", tried again" + because(e)
}

// asked says what the customer must do. Where they do it is upstream's to show.
func asked(e *messages.Event) string {
	switch a := e.Action; {
	case e.Kind == messages.Deposit:
		return "the customer must give skins at " + Provider(e.Provider)
	case a == nil || a.PayAmount == nil:
		return "the customer must act"
	case a.Confirm:
		return "the customer must pay " + a.PayAmount.String() + "; then it is to be confirmed"
	default:
		return "the customer must pay " + a.PayAmount.String()
	}
}

// held says how long. Money on hold has not arrived, even if it was approved.
func held(e *messages.Event) string {
	text := Provider(e.Provider) + " holds it"
	if e.Evidence["deposit_status"] == "hold_approved" {
		text = Provider(e.Provider) + " has approved it and holds it"
	}
	if e.HoldUntil != nil {
		text += " until " + e.HoldUntil.UTC().Format("2 Jan 15:04 MST")
	}
	return text
}

func failed(e *messages.Event) string {
	switch e.Kind {
	case messages.Deposit:
		return "nothing was received" + because(e)
	case messages.Exchange, messages.PartnerPayout:
		return "not " + done(e.Kind) + because(e)
	default:
		return "not delivered" + because(e)
	}
}

// canceled tells an order that the provider knew from one that it never saw.
func canceled(e *messages.Event) string {
	if e.Kind == messages.Exchange && e.ProviderRef["id"] != "" {
		return Provider(e.Provider) + " canceled it as asked"
	}
	return "canceled before it was " + done(e.Kind)
}

func succeeded(e *messages.Event) string {
	switch {
	case e.Finality == messages.ProviderAccepted:
		return "bought; accepted by " + Provider(e.Provider) + ", which cannot be asked further"
	case e.Kind == messages.Deposit:
		return "received and credited by " + Provider(e.Provider)
	case e.Kind == messages.Exchange:
		return "exchanged, and sent to the customer"
	case e.Kind == messages.PartnerPayout:
		return "paid out"
	default:
		return "bought and delivered"
	}
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
