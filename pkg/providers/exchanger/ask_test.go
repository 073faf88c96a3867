package exchanger_test

import (
	"strings"
	"testing"

	"github.com/beltline-io/beltline/pkg/messages"
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
