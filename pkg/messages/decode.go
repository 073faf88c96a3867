package messages

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beltline-io/beltline/pkg/money"
)

// version is the rule of the field v.
func version() rule {
	return rule{
		schema: schema{"const": Version},
		check: func(c *checker, at string, n node) any {
			if n.kind != numberNode || n.text != fmt.Sprint(Version) {
				c.fault(at, "must be %d", Version)
				return nil
			}
			return Version
		},
	}
}

func orderID() rule {
	return form(tokenPattern, "1 to 64 letters, digits, - and _", 64)
}

func moneyFields() []field {
	return []field{
		need("amount", decimal(bounds{}), "A decimal in a string."),
		need("currency", form(capitalsOrNums, "a currency code in capitals", 10), ""),
	}
}

func price() rule {
	return object(moneyFields(), func(r record) any {
		return money.New(get[money.Decimal](r, "amount"), money.Currency(get[string](r, "currency")))
	})
}

// orderFields is the table of an order; what params holds follows from
// provider and kind.
func orderFields() []field {
	return []field{
		need("v", version(), "The version of the contract."),
		need("id", orderID(), "Your id of the order; with the tenant its identity for ever."),
		need("provider", oneOf(Providers()...), ""),
		need("kind", oneOf(Kinds()...), ""),
		need("params", anyObject(), ""),
		may("max_cost", price(), "The most the order may cost."),
		may("expires_at", instant(), "The order is not placed after it."),
		may("seal_to", sealKey(), "The deliverable is sealed to this key."),
		may("metadata", texts("", MaxMetadataBytes), "Yours; returned in every event. At most 4 KB."),
	}
}

// The tables of the bodies that upstream sends.
var (
	orderTable   = orderFields()
	cancelTable  = cancelFields()
	confirmTable = confirmFields()
)

// DecodeOrder reads the body of an order strictly. The error is an
// [*InvalidError] with every fault of the body; its ID is empty where no event
// can be written, because the body cannot be read or its id cannot be used.
func DecodeOrder(body []byte) (*Order, error) {
	c := &checker{}
	root, ok := c.read(body)
	if !ok {
		return nil, &InvalidError{Faults: c.all()}
	}
	top := c.object("", root, orderTable)
	provider, kind := get[Provider](top, "provider"), get[Kind](top, "kind")
	params := c.params(top, provider, kind)
	id, metadata := get[string](top, "id"), get[map[string]string](top, "metadata")
	if faults := c.all(); len(faults) > 0 {
		return nil, &InvalidError{ID: id, Provider: provider, Kind: kind, Metadata: metadata, Faults: faults}
	}
	return &Order{
		ID: id, Provider: provider, Kind: kind, Params: params,
		MaxCost: optional[money.Money](top, "max_cost"), ExpiresAt: optional[time.Time](top, "expires_at"),
		SealTo: get[string](top, "seal_to"), Metadata: metadata,
		Raw: bytes.Clone(body),
	}, nil
}

// read checks what decides whether a body can be read at all.
func (c *checker) read(body []byte) (node, bool) {
	if len(body) > MaxOrderBytes {
		c.fault("", "is longer than %d bytes", MaxOrderBytes)
		return node{}, false
	}
	root, err := parseTree(body)
	if err != nil {
		c.fault("", "%s", err)
		return node{}, false
	}
	return root, true
}

// params checks params by the table of the order's kind. A kind belongs to one
// provider, so where only the provider is at fault the kind still tells the table.
func (c *checker) params(top record, p Provider, k Kind) Params {
	if k == "" {
		return nil
	}
	at := slices.IndexFunc(kindSpecs, func(s kindSpec) bool { return s.kind == k && (p == "" || s.provider == p) })
	if at < 0 {
		c.fault("/kind", "is not sold by %s, which has %s", p, joinKinds(kindsOf(p)))
		return nil
	}
	spec := kindSpecs[at]
	if spec.limited && !top.given("max_cost") {
		c.fault("/max_cost", "is required for %s", k)
	}
	n, ok := top.value("params").(node)
	if !ok {
		return nil
	}
	before := len(c.faults) + c.unsaid
	rec := c.object("/params", n, spec.params)
	for _, f := range spec.params {
		if other, bound := spec.needs[f.name]; bound && rec.given(f.name) && !rec.given(other) {
			c.fault(child("/params", other), "is required with %s", f.name)
		}
	}
	if spec.crossed != nil {
		spec.crossed(c, "/params", rec)
	}
	if len(c.faults)+c.unsaid > before {
		return nil
	}
	return spec.newParams(rec)
}

func joinKinds(kinds []Kind) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return strings.Join(names, " and ")
}

// CancelOrder is the body of a cancel request.
type CancelOrder struct {
	ID     string
	Reason string // empty when upstream gave none
}

func cancelFields() []field {
	return []field{
		need("v", version(), "The version of the contract."),
		need("id", orderID(), "The order to cancel."),
		may("reason", remark(maxText), "Why; shown to the operator, cut to 256 characters."),
	}
}

// DecodeCancel reads the body of a cancel request as strictly as [DecodeOrder].
func DecodeCancel(body []byte) (CancelOrder, error) {
	rec, err := decodeFlat(body, cancelTable)
	if err != nil {
		return CancelOrder{}, err
	}
	return CancelOrder{ID: get[string](rec, "id"), Reason: get[string](rec, "reason")}, nil
}

// ConfirmOrder is the body of a confirm request: the customer says they have paid.
type ConfirmOrder struct{ ID string }

func confirmFields() []field {
	return []field{
		need("v", version(), "The version of the contract."),
		need("id", orderID(), "The order that the customer says they have paid."),
	}
}

// DecodeConfirm reads the body of a confirm request as strictly as [DecodeOrder].
func DecodeConfirm(body []byte) (ConfirmOrder, error) {
	rec, err := decodeFlat(body, confirmTable)
	if err != nil {
		return ConfirmOrder{}, err
	}
	return ConfirmOrder{ID: get[string](rec, "id")}, nil
}

func decodeFlat(body []byte, fields []field) (record, error) {
	c := &checker{}
	root, ok := c.read(body)
	if !ok {
		return record{}, &InvalidError{Faults: c.all()}
	}
	rec := c.object("", root, fields)
	if faults := c.all(); len(faults) > 0 {
		return record{}, &InvalidError{ID: get[string](rec, "id"), Faults: faults}
	}
	return rec, nil
}
