package exchanger_test

import (
	"testing"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/exchanger"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

func suite(keyed bool, samples ...providertest.Sample) providertest.Suite {
	return providertest.Suite{
		Start: func() providertest.Fake {
			shop := exchangertest.New(exchangertest.WithCredentials(login, key))
			return providertest.Fake{URL: shop.APIURL(), Door: shop.Door(), Close: shop.Close}
		},
		New: func(baseURL string, client *providerhttp.Client) (providers.Provider, error) {
			return exchanger.New(exchanger.Config{URL: baseURL, APILogin: secret.New(login), APIKey: secret.New(key), HTTP: client})
		},
		Samples: samples, Canaries: []string{login, key}, Keyed: keyed,
	}
}

func TestConformance_Exchange(t *testing.T) {
	t.Parallel()
	providertest.Run(t, suite(true,
		providertest.Sample{Name: "card", CreateOp: exchangertest.OpCreateBid, Order: sample()},
		providertest.Sample{
			Name: "address", CreateOp: exchangertest.OpCreateBid,
			Order: exchangeOrder(params(exchangertest.DirectionAddress, "31.2", "get_with_fee")),
		},
	))
}

func TestConformance_PartnerPayout(t *testing.T) {
	t.Parallel()
	providertest.Run(t, suite(false, providertest.Sample{
		Name: "payout", CreateOp: exchangertest.OpAddPayout, Order: payoutOrder(exchangertest.MethodUSDT, "TWallet1"),
	}))
}
