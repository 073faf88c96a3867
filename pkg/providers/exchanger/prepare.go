package exchanger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
)

// The keys of a plan's data.
const (
	dataDirection = "direction_id"
	// dataSumGive is the sum given without any fee, dataAmountGive with all of
	// them. A bid tells the one between the two that has the site's fee and not
	// the payment system's. Plans of older versions do not have dataSumGive.
	dataSumGive     = "sum_give"
	dataAmountGive  = "amount_give"
	dataAmountGet   = "amount_get"
	dataCurrencyGet = "currency_get"
)

// prepareExchange asks for the direction and for the sums, and refuses what
// the exchanger would refuse or change. The sums go last: rates move.
func (p *Provider) prepareExchange(ctx context.Context, params messages.ExchangeParams) (providers.Plan, error) {
	direction, err := p.client.Direction(ctx, params.DirectionID)
	if err != nil {
		return providers.Plan{}, err
	}
	if direction.ID != "" && direction.ID != ID(params.DirectionID) {
		return providers.Plan{}, mismatch("exchanger.get_direction", "the answer is about another direction")
	}
	cd, err := checkFields(direction, params)
	if err != nil {
		return providers.Plan{}, err
	}
	calc, err := p.client.Calc(ctx, CalcRequest{
		DirectionID: params.DirectionID, Amount: params.Amount, Action: calcActions[params.AmountSide], CD: cd,
	})
	if err != nil {
		return providers.Plan{}, err
	}
	return quote(direction, calc, params)
}

// given is what an order brings for the fields of its direction.
func given(params messages.ExchangeParams) map[string]string {
	all := maps.Clone(params.Fields)
	if all == nil {
		all = map[string]string{}
	}
	for name, value := range map[string]string{"account1": params.AccountFrom, "account2": params.AccountTo} {
		if value != "" {
			all[name] = value
		}
	}
	return all
}

// checkFields refuses an order without a required field, or with one that the
// direction does not know: it would be dropped without a word. It returns the
// fields that the calculator wants.
func checkFields(d *Direction, params messages.ExchangeParams) (cd map[string]string, err error) {
	const op = "exchanger.get_direction"
	brought, known := given(params), map[string]bool{"account1": true, "account2": true}
	cd = map[string]string{}
	var faults []string
	for _, f := range slices.Concat(d.GiveFields, d.GetFields, d.DirFields) {
		name := string(f.Name)
		known[name] = true
		value := strings.TrimSpace(brought[name])
		if f.Req.Value && value == "" {
			faults = append(faults, "missing "+orderPointer(name)+labelled(f))
		}
		if f.CD.Value && value != "" {
			cd[name] = brought[name]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(brought)) {
		switch {
		case !known[name]:
			faults = append(faults, "the direction has no field "+plain(name, 64))
		case !fieldName.MatchString(name) && name != "account1" && name != "account2":
			faults = append(faults, "no name of a field: "+plain(name, 64))
		}
	}
	if len(faults) > 0 {
		return nil, refused(op, providers.CodeInvalidOrder, shorten(strings.Join(faults, "; "), 1000))
	}
	return cd, nil
}

// orderPointer is where a field stands in the order's params.
func orderPointer(name string) string {
	switch name {
	case "account1":
		return "/params/account_from"
	case "account2":
		return "/params/account_to"
	default:
		return "/params/fields/" + plain(name, 64)
	}
}

func labelled(f Field) string {
	if label := plain(string(f.Label), 80); label != "" {
		return " (" + label + ")"
	}
	return ""
}

// quote makes a plan of the calculator's answer.
func quote(d *Direction, calc *Calc, params messages.ExchangeParams) (providers.Plan, error) {
	const op = "exchanger.get_calc"
	if calc.CurrencyCodeGive == "" && calc.CurrencyCodeGet == "" {
		calc.CurrencyCodeGive, calc.CurrencyCodeGet = d.CurrencyCodeGive, d.CurrencyCodeGet
	}
	pay, arrives := calc.SumGiveCom.money(calc.CurrencyCodeGive), calc.SumGetCom.money(calc.CurrencyCodeGet)
	switch {
	case pay == nil || arrives == nil || pay.Amount.Sign() <= 0:
		return providers.Plan{}, unreadable(op, "the answer has no sums")
	case !strings.EqualFold(string(calc.CurrencyCodeGive), string(d.CurrencyCodeGive)), !strings.EqualFold(string(calc.CurrencyCodeGet), string(d.CurrencyCodeGet)):
		return providers.Plan{}, mismatch(op, "the sums are in other currencies than the direction's")
	}
	if why := changed(calc, params); why != "" {
		return providers.Plan{}, refused(op, codeOutOfBounds, why)
	}
	if least := params.MinGet; least != nil && arrives.Amount.Cmp(*least) < 0 {
		return providers.Plan{}, refused(op, providers.CodeMinGetNotMet, fmt.Sprintf("%s would arrive, min_get is %s", arrives, least))
	}
	plan := providers.Plan{
		Quote: pay,
		Data: map[string]string{
			dataDirection: params.DirectionID, dataAmountGive: pay.Amount.String(),
			dataAmountGet: arrives.Amount.String(), dataCurrencyGet: string(arrives.Currency),
		},
		Evidence: map[string]any{"quoted": map[string]any{"give": pay, "get": arrives}},
	}
	if calc.SumGive.Valid {
		plan.Data[dataSumGive] = calc.SumGive.Value.String()
	}
	return plan, nil
}

// changed tells why the exchanger would not exchange the amount as asked; ""
// if it would.
func changed(calc *Calc, params messages.ExchangeParams) string {
	if calc.Changed.Value {
		return "the exchanger would change the amount; " + bounds(calc)
	}
	if outside(calc.MinGive, calc.MaxGive, calc.SumGive, calc.SumGiveCom) || outside(calc.MinGet, calc.MaxGet, calc.SumGet, calc.SumGetCom) {
		return "the amount is out of bounds; " + bounds(calc)
	}
	told := map[CalcAction]Amount{
		AmountGive: calc.SumGive, AmountGet: calc.SumGet, AmountGiveWithFee: calc.SumGiveCom, AmountGetWithFee: calc.SumGetCom,
	}[calcActions[params.AmountSide]]
	if told.Valid && !rounded(params.Amount, told.Value) {
		return "the exchanger would take " + told.Value.String() + " instead of " + params.Amount.String() + "; " + bounds(calc)
	}
	return ""
}

// outside reports whether both readings of a sum, without and with the fee,
// break a bound: which of them a bound speaks of is the site's own setting.
func outside(least, most, sum, withFee Amount) bool {
	if !sum.Valid || !withFee.Valid {
		return false
	}
	below := least.Valid && least.Value.Cmp(sum.Value) > 0 && least.Value.Cmp(withFee.Value) > 0
	above := most.Valid && most.Value.Sign() > 0 && most.Value.Cmp(sum.Value) < 0 && most.Value.Cmp(withFee.Value) < 0
	return below || above
}

// rounded reports whether told is asked, or asked rounded to its places.
func rounded(asked, told money.Decimal) bool {
	diff := asked.Sub(told)
	if diff.Sign() < 0 {
		diff = diff.Neg()
	}
	unit := "1"
	if n := told.Places(); n > 0 {
		unit = "0." + strings.Repeat("0", n-1) + "1"
	}
	return diff.Sign() == 0 || asked.Places() > told.Places() && diff.Cmp(money.MustDecimal(unit)) <= 0
}

func bounds(calc *Calc) string {
	show := func(a Amount) string {
		if !a.Valid {
			return "none"
		}
		return a.Value.String()
	}
	return fmt.Sprintf("bounds: give %s to %s, get %s to %s", show(calc.MinGive), show(calc.MaxGive), show(calc.MinGet), show(calc.MaxGet))
}
