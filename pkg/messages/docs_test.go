package messages_test

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/messages"
)

func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/messages.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var example = regexp.MustCompile("(?s)<!-- check: ([a-z_. ]+) -->\n```json\n(.*?)\n```")

func TestDocs_EveryExampleOfThePageIsTrue(t *testing.T) {
	t.Parallel()
	text := page(t)
	found := example.FindAllStringSubmatch(text, -1)
	if n := strings.Count(text, "```json"); n != len(found) {
		t.Errorf("%d of %d examples say how they are checked", len(found), n)
	}
	events := compile(t, "event.json")
	kinds := map[messages.Kind]bool{}
	checked := map[string]int{}
	var faults []messages.Fault
	for _, m := range found {
		what, body := m[1], []byte(m[2])
		checked[what]++
		var err error
		switch what {
		case "order":
			var order *messages.Order
			if order, err = messages.DecodeOrder(body); err == nil {
				kinds[order.Kind] = true
			}
		case "cancel":
			_, err = messages.DecodeCancel(body)
		case "confirm":
			_, err = messages.DecodeConfirm(body)
		case "event":
			_, decodeErr := messages.DecodeEvent(body)
			err = errors.Join(decodeErr, validate(events, body))
		case "refused":
			faults = faultsOf(t, string(body)).Faults
		case "faults":
			var shown []messages.Fault
			err = json.Unmarshal(body, &shown)

			if diff := cmp.Diff(byPointer(faults), byPointer(shown)); diff != "" {
				t.Errorf("the faults of the page are not those of the decoder:\n%s", diff)
			}
		default:
			err = checkService(t, what, body)
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", what, err, body)
		}
	}
	if len(kinds) != len(messages.Kinds()) {
		t.Errorf("the page shows orders of %v only", kinds)
	}
	for _, what := range []string{"cancel", "confirm", "event", "refused", "faults"} {
		if checked[what] == 0 {
			t.Errorf("the page shows no %s", what)
		}
	}
}

// checkService checks an example of a service: "ask gamesdrop.find_offer" is
// decoded, "answer gamesdrop.find_offer" is held against its schema.
func checkService(t *testing.T, what string, body []byte) error {
	t.Helper()
	part, name, _ := strings.Cut(what, " ")
	service, method, _ := strings.Cut(name, ".")
	var err error
	switch {
	case what == "answer error":
		return validate(compile(t, "svc.error.json"), body)
	case part == "answer":
		return validate(compile(t, "svc."+name+".answer.json"), body)
	case part != "ask":
		t.Errorf("nobody checks %q", what)
	case messages.Provider(service).Known():
		_, err = messages.DecodeQuery(messages.Provider(service), method, body)
	case name == "orders.list":
		_, err = messages.DecodeOrdersList(body)
	case name == "orders.get":
		_, err = messages.DecodeOrdersAsk(body)
	case name == "operator.resolve":
		_, err = messages.DecodeResolve(body)
	case name == "operator.lane":
		_, err = messages.DecodeLane(body)
	default:
		t.Errorf("nobody checks %q", what)
	}
	return err
}

func TestDocs_ThePageNamesWhatTheCodeHas(t *testing.T) {
	t.Parallel()
	text := page(t)
	words := []string{
		messages.HeaderReason, messages.HeaderError, messages.HeaderOrigin, messages.HeaderOrderID,
		string(messages.ReasonInvalidOrder), string(messages.ReasonOrderConflict), string(messages.ReasonUnknownOrder),
		string(messages.ReasonCommandUnprocessable), messages.OrderEvents("<tenant>", "<order_id>"),
		messages.OrderSubject("<tenant>", messages.SubmitRequest), messages.OrderSubject("<tenant>", messages.CancelRequest),
		messages.OrderSubject("<tenant>", messages.ConfirmRequest), messages.OrdersServiceSubject("<tenant>", "get"),
	}
	for _, typ := range messages.Types() {
		words = append(words, string(typ))
	}
	for _, p := range messages.Providers() {
		words = append(words, p.ServiceMethods()...)
	}
	words = append(words,
		messages.ProblemBadRequest, messages.ProblemNotFound, messages.ProblemMoved, messages.ProblemHoldDown, messages.ProblemWrongState,
		messages.ProblemNoPermit, messages.ProblemBusy, messages.ProblemProviderError, messages.ProblemLaneClosed, messages.ProblemUnavailable,
		messages.ProblemInternal, messages.HeaderAskedAt, messages.HeaderShortened, messages.HeaderRetryAfter,
	)
	for _, word := range words {
		if !strings.Contains(text, "`"+word+"`") {
			t.Errorf("the page does not name %s", word)
		}
	}
	for _, word := range []string{
		messages.Reference("3f1c9d7e5b2a4860", "acme", "ord-2026-000123", 1),
		messages.APIID("3f1c9d7e5b2a4860", "acme", "ord-2026-000123", 1),
	} {
		if !strings.Contains(text, "`"+word+"`") {
			t.Errorf("the reference of the page is not %s", word)
		}
	}
}

func byPointer(faults []messages.Fault) map[string]string {
	m := map[string]string{}
	for _, f := range faults {
		m[f.Pointer] = f.Message
	}
	return m
}
