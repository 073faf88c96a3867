package gamesdrop_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/messages"
)

// An order takes a number as it is, so the answer to whether Stars can be sent
// to it must not be no; and nothing need be asked for it.
func TestAsk_ANumericTelegramUserIsFoundWithoutARequest(t *testing.T) {
	t.Parallel()
	shop := newScript(t, map[string]reply{userPath: {body: `{"valid":false,"message":"no such user"}`}})
	p := shop.provider(t)
	id := "143594291"
	got, err := p.Ask(t.Context(), messages.TelegramUserQuery{TelegramUser: id})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(messages.TelegramUserAnswer{Found: true, Valid: true, TelegramUserID: &id}, got); diff != "" {
		t.Error(diff)
	}
	for _, user := range []string{"@143594291", "0143594291", "-1", "0"} { // no ids
		if got, err := p.Ask(t.Context(), messages.TelegramUserQuery{TelegramUser: user}); err == nil && got.(messages.TelegramUserAnswer).Found {
			t.Errorf("%s was found", user)
		}
	}
	if n := len(shop.requests()); n != 4 {
		t.Errorf("%d requests, not 4", n)
	}
}
