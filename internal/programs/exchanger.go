package programs

import (
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/exchanger"
)

// Exchanger is the worker for exchanges and for payouts of what the partner has
// earned, at one site that runs the Premium Exchanger script. It learns what
// becomes of them by polling.
func Exchanger() app.Program {
	c := new(struct {
		app.Common
		Exchanger app.Exchanger `embed:""`
	})
	return workerProgram(messages.Exchanger, c, func(http *providerhttp.Client) (providers.Provider, error) {
		return exchanger.New(exchanger.Config{
			URL: c.Exchanger.URL.String(), APILogin: c.Exchanger.APILogin, APIKey: c.Exchanger.APIKey, Lang: c.Exchanger.Lang, HTTP: http,
		})
	})
}
