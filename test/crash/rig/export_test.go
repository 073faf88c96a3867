package rig

import (
	"net/url"
	"time"

	"github.com/beltline-io/beltline/test/crash/check"
)

// Planned is an order of a run, and its two other forms.
type Planned struct {
	check.Order
	At                 time.Duration
	Reworded, Contrary []byte
}

// Plans are the orders that the options lead to.
func Plans(o Options) ([]Planned, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	var all []Planned
	for _, p := range plans(&o) {
		all = append(all, Planned{p.Order, p.at, p.reworded(), p.contrary()})
	}
	return all, nil
}

// Times are the waits that programs are given.
func Times(o Options) map[string]string { return o.times() }

// ForgeSite forges a callback of the exchanger.
func ForgeSite(path, body string, chance int) (forgedPath string) {
	forged, _ := forgeSite(call{path, "application/x-www-form-urlencoded", body}, chance)
	return forged.path
}

// ForgeSkins opens a shop, and forges a callback that says a status of a
// deposit that it knows under a reference.
func ForgeSkins(o Options, reference, status string, chance int, make1 func(address string, client url.Values)) (body string, ok bool) {
	s := openShops(&o)
	defer s.close()
	make1(s.skins.URL(), url.Values{"X-CLIENT-ID": {"77"}, "X-CLIENT-SECRET": {s.secrets["SKINSBACK_CLIENT_SECRET"]}})
	genuine := call{"/hook/x", "application/x-www-form-urlencoded", url.Values{"order_id": {reference}, "status": {status}}.Encode()}
	forged, ok := s.forgeSkins(genuine, chance)
	return forged.body, ok
}

// Cases is the test's view of what directed runs try.
var Cases = cases

// RareCases and Setups are the test's view of the scenes of directed runs.
var (
	RareCases = rareCases
	Setups    = setups
)

// NodeDeeds names what is done to the nodes of a cluster.
func NodeDeeds() []string {
	var names []string
	for _, d := range nodeDeeds() {
		names = append(names, d.name)
	}
	return names
}

// LedBy is the test's view of how deeds to leaders are noted.
var LedBy = ledBy
