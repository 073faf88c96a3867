package messages

import "fmt"

// Query is a question to a provider that is no part of an order: one of the
// …Query types of this package.
type Query interface {
	// Asks names the method.
	Asks() (Provider, string)
}

// queryMethods are the methods of the providers' services. Their fields bear
// the names that the provider's document gives them, in snake case; where a
// parameter of an order is the same thing, it bears the order's name. In all
// answers amounts are decimals in strings, and ids are strings.
var queryMethods = map[Provider][]method{
	BalanceSteam: balanceSteamMethods,
	SkinsBack:    skinsBackMethods,
	GamesDrop:    gamesDropMethods,
	Exchanger:    exchangerMethods,
}

// DecodeQuery reads a question to a provider strictly. The error is an
// [*InvalidError] with every fault.
func DecodeQuery(p Provider, name string, body []byte) (Query, error) {
	m, ok := find(queryMethods[p], name)
	if !ok {
		return nil, fmt.Errorf("%w: %s has no method %q", ErrMalformed, p, name)
	}
	return decodeRequest[Query](m, body)
}
