package exchanger_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
)

func TestAsk_AListThatIsTooLongIsToBeNarrowedByCurrencies(t *testing.T) {
	t.Parallel()
	line := `,{"direction_id":"1","id":"1","currency_give_logo":"` + strings.Repeat("x", 300) + `"}`
	long := strings.Repeat(line, 900)[1:]
	s := newScript(t, map[string]string{
		"get_directions":           `{"error":0,"error_text":"","data":[` + long + `]}`,
		"get_direction_currencies": `{"error":0,"error_text":"","data":{"give":[` + long + `],"get":[]}}`,
		"get_partner_links":        `{"error":0,"error_text":"","data":{"items":[` + long + `]}}`,
	})
	for _, q := range []messages.Query{messages.DirectionsQuery{}, messages.DirectionCurrenciesQuery{}} {
		_, err := s.provider(t).Ask(t.Context(), q)
		if e := wantError(t, err, ambiguous, "unreadable"); !strings.Contains(e.Message, "currency_id_give") || !strings.Contains(e.Message, "currency_id_get") {
			t.Errorf("%T: %q does not tell of the filters", q, e.Message)
		}
	}
	_, err := s.provider(t).Ask(t.Context(), messages.PartnerLinksQuery{})
	if e := wantError(t, err, ambiguous, "unreadable"); strings.Contains(e.Message, "currency_id") {
		t.Errorf("a list without these filters is told of them: %q", e.Message)
	}
}

func TestAsk_TellsWhatAnOrderMustBringForASelect(t *testing.T) {
	t.Parallel()
	choices := func(pairs ...string) []messages.FieldChoice {
		out := []messages.FieldChoice{}
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, messages.FieldChoice{Value: pairs[i], Label: pairs[i+1]})
		}
		return out
	}
	for options, want := range map[string][]messages.FieldChoice{
		`{"0":"No <b>selected</b>","10":"Kazan","2":"Moscow"}`: choices("0", "No selected", "2", "Moscow", "10", "Kazan"),
		`{"msk":"Moscow","kzn":"Kazan"}`:                       choices("kzn", "Kazan", "msk", "Moscow"),
		`["No selected","Moscow",3]`:                           choices("0", "No selected", "1", "Moscow", "2", "3"),
		`[]`:                                                   choices(), `{}`: choices(), `""`: choices(), `null`: choices(),
	} {
		s := newScript(t, map[string]string{
			"get_direction": `{"error":"0","data":{"id":"5","dir_fields":{"cf12":{"name":"cf12","type":"select","req":"1","options":` + options + `}}}}`,
		})
		answer, err := s.provider(t).Ask(t.Context(), messages.DirectionQuery{DirectionID: "5"})
		if err != nil {
			t.Errorf("%s: %v", options, err)
			continue
		}
		field := answer.(messages.DirectionAnswer).DirFields[0]
		if diff := cmp.Diff(want, field.Choices); diff != "" {
			t.Errorf("%s: %s", options, diff)
		}
		labels := []string{} // as before there were choices
		for _, c := range want {
			labels = append(labels, c.Label)
		}
		if diff := cmp.Diff(labels, field.Options); diff != "" {
			t.Errorf("%s: %s", options, diff)
		}
	}
}

func TestAsk_TheKeyThatIsToldIsWhatTheSiteTakes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	answer, err := b.Ask(t.Context(), messages.DirectionQuery{DirectionID: exchangertest.DirectionCity})
	if err != nil {
		t.Fatal(err)
	}
	city := answer.(messages.DirectionAnswer).DirFields[0]
	if len(city.Choices) != 3 {
		t.Fatalf("%+v", city)
	}
	for i, c := range city.Choices {
		order := exchangeOrder(params(exchangertest.DirectionCity, "3000", "give", func(p *messages.ExchangeParams) {
			p.Fields = map[string]string{city.Name: c.Value}
		}))
		order.Reference = strconv.Itoa(i + 1)
		if b.buy(order); b.Bids()[i].Fields[city.Name] != c.Value {
			t.Errorf("%+v: %+v", c, b.Bids()[i])
		}
		order.Params = params(exchangertest.DirectionCity, "3000", "give", func(p *messages.ExchangeParams) {
			p.Fields = map[string]string{city.Name: c.Label}
		})
		if _, err := b.Prepare(t.Context(), order); err == nil {
			t.Errorf("the label %q was taken", c.Label)
		}
	}
}
