package gamesdrop_test

import (
	"testing"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Suite{
		Start: func() providertest.Fake {
			shop := gamesdroptest.New(gamesdroptest.WithToken(token))
			return providertest.Fake{URL: shop.URL(), Door: shop.Door(), Close: shop.Close}
		},
		New: func(baseURL string, client *providerhttp.Client) (providers.Provider, error) {
			return gamesdrop.New(gamesdrop.Config{
				URL: baseURL, TelegramURL: baseURL + gamesdroptest.TelegramPath, Token: secret.New(token), HTTP: client,
			})
		},
		Samples: []providertest.Sample{
			{
				Name: "offer", CreateOp: gamesdroptest.OpCreateOrder,
				Order: offerOrder(messages.OfferParams{OfferID: gamesdroptest.OfferPUBG, Email: "user@gmail.com", GameUserID: "52357322414"}),
			},
			{Name: "stars", CreateOp: gamesdroptest.OpCreateOrder, Order: starsOrder(100, "@igoryan34")},
		},
		Canaries: []string{token},
		Keyed:    true,
	})
}
