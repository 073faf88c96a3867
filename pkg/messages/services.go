package messages

import (
	"slices"
	"strings"
)

// Names of the NATS micro services.
const (
	ServiceOrders   = "orders"
	ServiceOperator = "operator"
)

// Service is the name of the provider's own micro service.
func (p Provider) Service() string { return "provider-" + string(p) }

// OrdersMethods lists the methods of the service orders.
func OrdersMethods() []string { return methodsOf(ordersMethods) }

// OperatorMethods lists the methods of the service operator.
func OperatorMethods() []string { return methodsOf(operatorMethods) }

// ServiceMethods lists the methods of the provider's service.
func (p Provider) ServiceMethods() []string { return methodsOf(queryMethods[p]) }

// OpenToUpstream reports whether an upstream account may call the method of a
// provider's service: questions about goods are open, balances, lists and
// histories are the operator's.
func OpenToUpstream(method string) bool {
	return slices.ContainsFunc(Providers(), func(p Provider) bool {
		m, ok := find(queryMethods[p], method)
		return ok && m.upstream
	})
}

// OrdersServiceSubject is where a method of the service orders is asked. The
// tenant is in the subject, where permissions can see it.
func OrdersServiceSubject(tenant, method string) string { return "svc.orders." + tenant + "." + method }

// OperatorServiceSubject is where a method of the service operator is asked.
func OperatorServiceSubject(method string) string { return "svc.operator." + method }

// ProviderServiceSubject is where a method of a provider's service is asked.
func ProviderServiceSubject(p Provider, method string) string {
	return "svc.providers." + string(p) + "." + method
}

// method is all that the contract says of one method of a service: what may be
// asked, and what is answered. Decoder, schemas and documents follow from it.
type method struct {
	name   string
	about  string
	fields []field
	// either: exactly one of these must be given.
	either []string
	// crossed checks one field against another.
	crossed func(c *checker, r record)
	// made builds the typed request.
	made func(r record) any
	// answer is a zero value of the typed answer, or a schema where it is no struct.
	answer any
	// upstream: an upstream account may ask it.
	upstream bool
}

func methodsOf(all []method) []string {
	var names []string
	for _, m := range all {
		names = append(names, m.name)
	}
	return names
}

func find(all []method, name string) (method, bool) {
	i := slices.IndexFunc(all, func(m method) bool { return m.name == name })
	if i < 0 {
		return method{}, false
	}
	return all[i], true
}

// decodeRequest reads a request strictly. The error is an [*InvalidError] with
// every fault. No body at all is an empty object, which is what a person sends
// who asks for something without parameters.
func decodeRequest[T any](m method, body []byte) (T, error) {
	var none T
	if len(body) == 0 {
		body = []byte("{}")
	}
	c := &checker{}
	root, ok := c.read(body)
	if !ok {
		return none, &InvalidError{Faults: c.all()}
	}
	r := c.object("", root, m.fields)
	m.checkEither(c, r)
	if m.crossed != nil {
		m.crossed(c, r)
	}
	if faults := c.all(); len(faults) > 0 {
		return none, &InvalidError{Faults: faults}
	}
	made, ok := m.made(r).(T)
	if !ok {
		panic("messages: method " + m.name + " makes another request than it is read as")
	}
	return made, nil
}

// checkEither faults a request that has none, or more than one, of the fields
// of which it must have one.
func (m method) checkEither(c *checker, r record) {
	given := 0
	for _, name := range m.either {
		if r.given(name) {
			given++
		}
	}
	if len(m.either) > 0 && given != 1 {
		c.fault("", "must have exactly one of %s", strings.Join(m.either, ", "))
	}
}
