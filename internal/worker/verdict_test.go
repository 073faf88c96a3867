package worker_test

import (
	"errors"
	"testing"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/worker"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// A class or a status that is added without a row in the tables below fails here.
func TestVerdict_KnowsEveryClassAndStatus(t *testing.T) {
	t.Parallel()
	if c := (providers.Invalid + 1).String(); c != "class(5)" {
		t.Errorf("class %s has no row", c)
	}
	if s := (providers.StatusReversed + 1).String(); s != "status(?)" {
		t.Errorf("status %s has no row", s)
	}
}

// verdictOf is a row of the contract's "found → event → class", written from
// the contract's words and not from the code.
type verdictOf struct {
	class       providers.Class
	exists      bool
	own, before order.Input // of the owner's call, and of a failure before the intent
	wire        string      // the class that the event shows before the intent
	retryable   bool        // and after it
	blocked     bool
}

var verdicts = []verdictOf{
	{class: providers.Ambiguous, own: order.OwnUnknown, before: order.Postpone, wire: "retryable"},
	{class: providers.Rejected, own: order.OwnRefused, before: order.Refuse, wire: "rejected"},
	{class: providers.Retryable, own: order.OwnRetry, before: order.Postpone, wire: "retryable", retryable: true},
	{class: providers.Blocked, own: order.OwnRetry, before: order.Postpone, wire: "blocked", retryable: true, blocked: true},
	{class: providers.Invalid, own: order.OwnRefused, before: order.Refuse, wire: "invalid"},
	{class: providers.Class(200), own: order.OwnUnknown, before: order.Postpone, wire: "class(200)"},
	// "Exists" outweighs every class: a reference that is known was used.
	{class: providers.Ambiguous, exists: true, own: order.OwnDuplicate, before: order.Postpone, wire: "retryable"},
	{class: providers.Rejected, exists: true, own: order.OwnDuplicate, before: order.Refuse, wire: "rejected"},
	{class: providers.Retryable, exists: true, own: order.OwnDuplicate, before: order.Postpone, wire: "retryable", retryable: true},
	{class: providers.Blocked, exists: true, own: order.OwnDuplicate, before: order.Postpone, wire: "blocked", retryable: true, blocked: true},
	{class: providers.Invalid, exists: true, own: order.OwnDuplicate, before: order.Refuse, wire: "invalid"},
}

func TestVerdict_OfEveryClassIsTheContracts(t *testing.T) {
	t.Parallel()
	for _, v := range verdicts {
		for _, requote := range []bool{false, true} {
			for _, wrap := range []bool{false, true} {
				var err error = &providers.Error{Op: "x", Class: v.class, Code: "C", Message: "m", Exists: v.exists, Requote: requote}
				if wrap {
					err = errors.Join(errors.New("around"), err)
				}
				c := worker.Owned(providers.Answer{Status: providers.StatusSucceeded}, err) // an answer beside an error counts for nothing
				if c.Input != v.own || c.Blocked != v.blocked || c.Requote != requote || c.Deliverable != nil {
					t.Errorf("%s exists=%v: own %s blocked=%v requote=%v", v.class, v.exists, c.Input, c.Blocked, c.Requote)
				}
				if c.Error.Class != v.class.String() || c.Error.Code != "C" || c.Error.Message != "m" || c.Error.Retryable != v.retryable {
					t.Errorf("%s: %+v", v.class, c.Error)
				}
				c = worker.Prepared(err)
				later := c.Input == order.Postpone && v.class <= providers.Invalid
				if c.Input != v.before || c.Blocked != v.blocked || c.Error.Class != v.wire || c.Error.Code != "C" || c.Error.Retryable != later {
					t.Errorf("%s before the intent: %s blocked=%v %+v", v.class, c.Input, c.Blocked, c.Error)
				}
			}
		}
	}
}

func TestVerdict_OfAnErrorWithoutAClassIsDoubt(t *testing.T) {
	t.Parallel()
	c := worker.Owned(providers.Answer{}, errors.New("what is this"))
	if c.Input != order.OwnUnknown || c.Error.Class != "ambiguous" || c.Error.Code != providers.CodeUnreadable || c.Error.Message != "what is this" {
		t.Errorf("%s %+v", c.Input, c.Error)
	}
}

func TestVerdict_OfEveryStatusIsTheContracts(t *testing.T) {
	t.Parallel()
	const none = order.Input(255)
	for status, want := range map[providers.Status]struct {
		own, seen order.Input
		code      string // of the error that the owner's event bears
	}{
		providers.StatusUnknown:        {order.OwnUnknown, none, providers.CodeUnreadable},
		providers.StatusAbsent:         {order.OwnUnknown, none, providers.CodeUnreadable},
		providers.StatusProcessing:     {order.OwnProcessing, order.SeenProcessing, ""},
		providers.StatusActionRequired: {order.OwnActionRequired, order.SeenActionRequired, ""},
		providers.StatusOnHold:         {order.OwnOnHold, order.SeenOnHold, ""},
		providers.StatusSucceeded:      {order.OwnSucceeded, order.SeenSucceeded, ""},
		providers.StatusFailed:         {order.OwnFailed, order.SeenFailed, "WHY"},
		providers.StatusReversed:       {order.OwnFailed, order.SeenReversed, "WHY"},
		providers.Status(99):           {order.OwnUnknown, none, providers.CodeUnreadable},
	} {
		answer := providers.Answer{
			Status: status, Ref: map[string]string{"order_id": "1"}, CostSource: messages.FromResponse, Deliverable: []byte(`{}`),
			Finality: messages.Final, Code: "WHY", Message: "because", Evidence: map[string]any{"k": "v"},
		}
		c := worker.Owned(answer, nil)
		if c.Input != want.own || c.Ref["order_id"] != "1" || c.Evidence["k"] != "v" || c.Deliverable == nil || c.Finality != messages.Final {
			t.Errorf("%s: own %s, %+v", status, c.Input, c)
		}
		if (c.Error == nil) != (want.code == "") || c.Error != nil && c.Error.Code != want.code {
			t.Errorf("%s: error %+v, want %q", status, c.Error, want.code)
		}
		s, ok := worker.Seen(answer)
		if ok != (want.seen != none) || ok && s.Input != want.seen {
			t.Errorf("%s: seen %s, %v", status, s.Input, ok)
		}
	}
}
