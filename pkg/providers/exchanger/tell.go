package exchanger

import (
	"net/url"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

// maxTold is the longest text of a site that is told in an answer.
const maxTold = 2000

// maxLink bounds the address of a page or a picture.
const maxLink = 2048

// said is a text of a site as plain text without our credentials.
func (p *Provider) said(t Text) string { return p.client.redact(plain(string(t), maxTold)) }

// text is said, nil for none.
func (p *Provider) text(t Text) *string {
	s := p.said(t)
	if s == "" {
		return nil
	}
	return &s
}

func (p *Provider) id(id ID) *string { return p.text(Text(id)) }

// link is an address of a page or a picture; nil for anything else.
func (p *Provider) link(t Text) *string {
	u, err := url.Parse(string(t))
	if err != nil || len(t) > maxLink || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return nil
	}
	s := p.client.redact(u.String())
	return &s
}

func (a Amount) orNull() *money.Decimal {
	if !a.Valid {
		return nil
	}
	return &a.Value
}

// each tells a list, which is never nil: an empty one is written as such.
func each[In, Out any](in []In, tell func(*In) Out) []Out {
	out := make([]Out, len(in))
	for i := range in {
		out[i] = tell(&in[i])
	}
	return out
}

func (p *Provider) tellTest(t *TestResponse) messages.ExchangerTestAnswer {
	return messages.ExchangerTestAnswer{IP: p.text(t.IP), UserID: p.id(t.UserID), Locale: p.text(t.Locale), PartnerID: p.id(t.PartnerID)}
}

func (p *Provider) tellCurrencies(c *DirectionCurrencies) messages.DirectionCurrenciesAnswer {
	tell := func(c *Currency) messages.ExchangerCurrency {
		return messages.ExchangerCurrency{ID: p.said(Text(c.ID)), Title: p.said(c.Title), Logo: p.link(c.Logo)}
	}
	return messages.DirectionCurrenciesAnswer{Give: each(c.Give, tell), Get: each(c.Get, tell)}
}

func (p *Provider) tellDirections(all []DirectionSummary) messages.DirectionsAnswer {
	return messages.DirectionsAnswer{Directions: each(all, func(d *DirectionSummary) messages.DirectionSummary {
		return messages.DirectionSummary{
			DirectionID:    p.said(Text(d.DirectionID)),
			CurrencyGiveID: p.said(Text(d.CurrencyGiveID)), CurrencyGiveTitle: p.said(d.CurrencyGiveTitle), CurrencyGiveLogo: p.link(d.CurrencyGiveLogo),
			CurrencyGetID: p.said(Text(d.CurrencyGetID)), CurrencyGetTitle: p.said(d.CurrencyGetTitle), CurrencyGetLogo: p.link(d.CurrencyGetLogo),
		}
	})}
}

func (p *Provider) tellSums(s Sums) messages.ExchangerSums {
	return messages.ExchangerSums{
		CurrencyCodeGive: p.said(s.CurrencyCodeGive), CurrencyCodeGet: p.said(s.CurrencyCodeGet), Reserve: s.Reserve.orNull(),
		CourseGive: s.CourseGive.orNull(), CourseGet: s.CourseGet.orNull(),
		SumGive: s.SumGive.orNull(), SumGiveCom: s.SumGiveCom.orNull(), SumGet: s.SumGet.orNull(), SumGetCom: s.SumGetCom.orNull(),
		ComGive: p.text(s.ComGive), ComGet: p.text(s.ComGet),
		MinGive: s.MinGive.orNull(), MaxGive: s.MaxGive.orNull(), MinGet: s.MinGet.orNull(), MaxGet: s.MaxGet.orNull(),
	}
}

func (p *Provider) tellDirection(id string, d *Direction) messages.DirectionAnswer {
	tell := func(f *Field) messages.DirectionField {
		return messages.DirectionField{
			Name: p.said(f.Name), Type: p.said(f.Type), Label: p.said(f.Label), Req: f.Req.Value, Tooltip: p.text(f.Tooltip),
			Options: each(f.Options, func(o *FieldOption) string { return p.said(o.Label) }),
			Choices: each(f.Options, func(o *FieldOption) messages.FieldChoice {
				return messages.FieldChoice{Value: p.said(Text(o.Key)), Label: p.said(o.Label)}
			}),
			CD: f.CD.Value,
		}
	}
	return messages.DirectionAnswer{
		DirectionID: id, URL: p.link(d.URL), ExchangerSums: p.tellSums(d.Sums),
		Info: messages.DirectionTexts{
			TimelineText: p.text(d.Info.TimelineText), FrozenText: p.text(d.Info.FrozenText), BeforeButtonText: p.text(d.Info.BeforeButtonText),
		},
		GiveFields: each(d.GiveFields, tell), GetFields: each(d.GetFields, tell), DirFields: each(d.DirFields, tell),
	}
}

func (p *Provider) tellCalc(c *Calc) messages.CalcAnswer {
	return messages.CalcAnswer{ExchangerSums: p.tellSums(c.Sums), Changed: c.Changed.Value}
}

func (p *Provider) tellExchange(e *Exchange) messages.ExchangeLine {
	var api *string
	if e.APIID != nil {
		api = p.text(*e.APIID)
	}
	return messages.ExchangeLine{
		ID: p.said(Text(e.ID)), APIID: api, Time: p.text(e.Time), Date: p.text(e.Date), PsysGive: p.text(e.PsysGive), PsysGet: p.text(e.PsysGet),
		CurrencyCodeGive: p.said(e.CurrencyCodeGive), CurrencyCodeGet: p.said(e.CurrencyCodeGet),
		CourseGive: e.CourseGive.orNull(), CourseGet: e.CourseGet.orNull(), AmountGive: e.AmountGive.orNull(), AmountGet: e.AmountGet.orNull(),
		ExchangeSuccess: p.text(e.ExchangeSuccess), UserHash: p.text(e.UserHash), UserIP: p.text(e.UserIP), Status: p.said(e.Status),
		Statuses: each(e.Statuses, func(s *StatusChange) messages.StatusChange {
			return messages.StatusChange{Time: p.text(s.Time), Date: p.text(s.Date), Status: p.said(s.Status)}
		}),
	}
}

func (p *Provider) tellExchanges(all []Exchange) messages.ExchangesAnswer {
	return messages.ExchangesAnswer{Exchanges: each(all, p.tellExchange)}
}

func (p *Provider) tellPartnerExchanges(all []PartnerExchange) messages.PartnerExchangesAnswer {
	return messages.PartnerExchangesAnswer{Exchanges: each(all, func(e *PartnerExchange) messages.PartnerExchange {
		out := messages.PartnerExchange{ExchangeLine: p.tellExchange(&e.Exchange), PartnerReward: e.PartnerReward.orNull()}
		if e.Accrued.Known {
			out.Accrued = &e.Accrued.Value
		}
		return out
	})}
}

// tellBid leaves out where to pay: that is in the action of the order's event,
// and nowhere else.
func (p *Provider) tellBid(b *Bid) messages.BidInfoAnswer {
	action := func(t Text) *string {
		if word := p.text(t); word == nil || *word == "api" || *word == "disabled" {
			return word
		}
		link := "link"
		return &link
	}
	return messages.BidInfoAnswer{
		ID: p.said(Text(b.ID)), Hash: p.text(b.Hash), Status: p.said(b.Status), StatusTitle: p.text(b.StatusTitle),
		PsysGive: p.text(b.PsysGive), PsysGet: p.text(b.PsysGet), CurrencyCodeGive: p.said(b.CurrencyCodeGive), CurrencyCodeGet: p.said(b.CurrencyCodeGet),
		AmountGive: b.AmountGive.orNull(), AmountGet: b.AmountGet.orNull(), CourseGive: b.CourseGive.orNull(), CourseGet: b.CourseGet.orNull(),
		APIActions: messages.BidActions{
			Type: p.text(b.APIActions.Type), Cancel: action(b.APIActions.Cancel), Pay: action(b.APIActions.Pay), PayAmount: b.APIActions.PayAmount.orNull(),
		},
	}
}

func (p *Provider) tellPartner(i *PartnerInfo) messages.PartnerInfoAnswer {
	return messages.PartnerInfoAnswer{
		PartnerID: p.id(i.PartnerID), Balance: i.Balance.orNull(), MinPayout: i.MinPayout.orNull(),
		Items: each(i.Items, func(m *PayoutMethod) messages.PayoutMethod {
			return messages.PayoutMethod{ID: p.said(Text(m.ID)), Title: p.said(m.Title), Comission: p.text(m.Comission), Amount: m.Amount.orNull()}
		}),
	}
}

func (p *Provider) tellLinks(all []PartnerLink) messages.PartnerLinksAnswer {
	return messages.PartnerLinksAnswer{Links: each(all, func(l *PartnerLink) messages.PartnerLink {
		return messages.PartnerLink{
			Time: p.text(l.Time), Date: p.text(l.Date), Browser: p.text(l.Browser), IP: p.text(l.IP), Referrer: p.text(l.Referrer),
			UserHash: p.text(l.UserHash), QueryString: p.text(l.QueryString),
		}
	})}
}

func (p *Provider) tellPayouts(all []PartnerPayout) messages.PartnerPayoutsAnswer {
	return messages.PartnerPayoutsAnswer{Payouts: each(all, func(l *PartnerPayout) messages.PartnerPayoutLine {
		return messages.PartnerPayoutLine{
			ID: p.said(Text(l.ID)), Time: p.text(l.Time), Date: p.text(l.Date), MethodID: p.id(l.MethodID), Account: p.text(l.Account),
			PayAmount: l.PayAmount.orNull(), PayCurrencyCode: p.text(l.PayCurrencyCode),
			OriginalAmount: l.OriginalAmount.orNull(), OriginalCurrencyCode: p.text(l.OriginalCurrencyCode), Status: p.said(l.Status),
		}
	})}
}
