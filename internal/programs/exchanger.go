package programs

import (
	"errors"
	"net/url"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/webhook"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/exchanger"
)

// Exchanger is the worker for exchanges and for payouts of what the partner has
// earned, at one site that runs the Premium Exchanger script. It learns what
// becomes of them by polling, and sooner where webhooks are configured.
func Exchanger() app.Program {
	c := new(struct {
		app.Common
		Exchanger app.Exchanger `embed:""`
		Webhooks  app.Webhooks  `embed:""`
	})
	hooks := &hooks{section: &c.Webhooks, verify: exchangerCallback}
	return hookedProgram(messages.Exchanger, Exchanger, c, hooks, func(t tools) (providers.Provider, error) {
		return exchanger.New(exchanger.Config{
			URL: c.Exchanger.URL.String(), APILogin: c.Exchanger.APILogin, APIKey: c.Exchanger.APIKey, Lang: c.Exchanger.Lang, HTTP: t.http, CallbackURL: t.callbackURL,
		})
	})
}

var errNoCallback = errors.New("not a callback of the script")

// exchangerCallback reads a callback. The script does not sign it and tells no
// time: the token in the address is all that speaks for it.
func exchangerCallback(body []byte, contentType string) (webhook.Callback, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil || contentType != "application/x-www-form-urlencoded" || len(form["bid_id"]) != 1 || len(form["status"]) != 1 {
		return webhook.Callback{}, errNoCallback
	}
	return webhook.Callback{Fields: map[string]string{"bid_id": form.Get("bid_id"), "status": form.Get("status")}}, nil
}
