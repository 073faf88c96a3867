package skinsback_test

import (
	"testing"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

func TestProvider_KeepsThePromisesOfThePort(t *testing.T) {
	t.Parallel()
	for _, auth := range []string{skinsback.AuthHeaders, skinsback.AuthSignature} {
		t.Run(auth, func(t *testing.T) {
			t.Parallel()
			providertest.Run(t, providertest.Suite{
				Start: func() providertest.Fake {
					s := skinsbacktest.New(skinsbacktest.WithCredentials(clientID, canary))
					return providertest.Fake{URL: s.URL(), Door: s.Door(), Close: s.Close}
				},
				New: func(address string, c *providerhttp.Client) (providers.Provider, error) {
					return skinsback.New(skinsback.Config{
						URL: address, ClientID: clientID, ClientSecret: secret.New(canary), Auth: auth, HTTP: c,
						ResultURL: func(o providers.Order) string { return "https://hooks.example/" + o.ID },
					})
				},
				Samples: []providertest.Sample{{
					Name: "deposit", CreateOp: skinsbacktest.OpCreate,
					Order: deposit(func(p *messages.DepositParams) { p.MinAmount, p.MaxAmount = decimal("5"), decimal("100.5") }),
				}},
				Canaries: []string{canary},
				Keyed:    true,
			})
		})
	}
}
