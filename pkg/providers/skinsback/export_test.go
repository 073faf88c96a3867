package skinsback

import (
	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// BareProvider decodes and cannot send.
func BareProvider(key string) *Provider {
	return &Provider{client: &Client{url: DefaultURL, secret: secret.New(key)}}
}

// JudgeCreate is Place from the moment when the answer has arrived.
func (p *Provider) JudgeCreate(r *providerhttp.Response) (providers.Answer, error) {
	created, err := p.client.created("skinsback.create", r)
	if err != nil {
		return providers.Answer{}, err
	}
	return placed(created), nil
}

// JudgeStatus is Lookup from the moment when the answer has arrived, except
// that an absent deposit is still an error.
func (p *Provider) JudgeStatus(o providers.Order, r *providerhttp.Response) (providers.Answer, error) {
	const op = "skinsback.order_status"
	var d Deposit
	if err := p.client.read(op, asking, r, &d); err != nil {
		return providers.Answer{}, err
	}
	params, _ := o.Params.(messages.DepositParams)
	return p.judged(op, o, params, &d)
}
