package balancesteam_test

import (
	"testing"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

func TestProvider_KeepsThePromisesOfThePort(t *testing.T) {
	t.Parallel()
	for name, witness := range map[string]bool{"witness on": true, "witness off": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			providertest.Run(t, providertest.Suite{
				Start: func() providertest.Fake {
					s := balancesteamtest.New(balancesteamtest.WithAPIKey(canary))
					return providertest.Fake{URL: s.URL(), Door: s.Door(), Close: s.Close}
				},
				New: func(url string, c *providerhttp.Client) (providers.Provider, error) {
					return balancesteam.New(balancesteam.Config{URL: url, APIKey: secret.New(canary), Witness: witness, HTTP: c})
				},
				Samples: []providertest.Sample{
					{Name: "topup", Order: topup("gabe", "100.50"), CreateOp: balancesteamtest.OpTopup},
					{Name: "gift_card", Order: giftCard(5999, "user@example.com"), CreateOp: balancesteamtest.OpGiftCard},
				},
				Canaries: []string{canary},
			})
		})
	}
}
