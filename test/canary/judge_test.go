package canary_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// secrets are the canaries, by where they may be told.
type secrets struct {
	nowhere     map[string]string // value → what it is
	deliverable []string          // goods codes that were told openly
	action      []string
	order       []string // what upstream has submitted
}

// known are the forms of texts that were asked for: each is looked for in
// thousands of places.
var known sync.Map

// forms are the ways in which a text may be written.
func forms(text string) []string {
	if list, ok := known.Load(text); ok {
		return list.([]string) //nolint:forcetypeassert // nothing else is stored
	}
	list := formsOf(text)
	known.Store(text, list)
	return list
}

func formsOf(text string) []string {
	list := []string{text, url.QueryEscape(text), url.PathEscape(text), hex.EncodeToString([]byte(text)), strings.ToUpper(hex.EncodeToString([]byte(text)))}
	if quoted, err := json.Marshal(text); err == nil {
		list = append(list, string(quoted[1:len(quoted)-1]))
	}
	// As a part of something longer that is written in base64: what it looks like
	// depends on where it begins.
	for before := range 3 {
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			coded := enc.EncodeToString(append(make([]byte, before), text...))
			list = append(list, coded[(before*8+5)/6:len(coded)-2])
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// count is how often a canary stands in a text, in any form.
func count(text []byte, canary string) int {
	n := 0
	for _, form := range forms(canary) {
		n += bytes.Count(text, []byte(form))
	}
	return n
}

// judge lists all that was told where it must not be. seen counts, for each
// canary, how often it stands where it may.
func judge(s secrets, places []place) (leaks []string, seen map[string]int) {
	seen = map[string]int{}
	leak := func(what string, p place) { leaks = append(leaks, fmt.Sprintf("%s in %s, %s", what, p.kind, p.name)) }
	onlyIn := func(p place, list []string, what string, member, elsewhere []byte) {
		for _, canary := range list {
			seen[canary] += count(member, canary)
			if count(elsewhere, canary) > 0 {
				leak(what+" "+canary, p)
			}
		}
	}
	for _, p := range places {
		for canary, what := range s.nowhere {
			if count(p.text, canary) > 0 {
				leak(what, p)
			}
		}
		switch p.kind {
		case onDisk: // see onDiskAsStored
		case inEvents:
			deliverable, action, order, rest, err := p.parts()
			if err != nil {
				leaks = append(leaks, err.Error())
				continue
			}
			onlyIn(p, s.deliverable, "goods code", deliverable, slices.Concat(action, order, rest))
			onlyIn(p, s.action, "address to pay at", action, slices.Concat(deliverable, order, rest))
			onlyIn(p, s.order, "what the customer told", order, slices.Concat(deliverable, action, rest))
		case inOrders:
			onlyIn(p, s.deliverable, "goods code", nil, p.text)
			onlyIn(p, s.action, "address to pay at", nil, p.text)
			onlyIn(p, s.order, "what the customer told", p.text, nil)
		default:
			onlyIn(p, s.deliverable, "goods code", nil, p.text)
			onlyIn(p, s.action, "address to pay at", nil, p.text)
			onlyIn(p, s.order, "what the customer told", nil, p.text)
		}
	}
	return leaks, seen
}

// onDiskAsStored holds the raw bytes of the store against what the events tell:
// what they hold stands in the folder of EVENTS as often as it stands in them,
// and nowhere else.
func onDiskAsStored(s secrets, places []place) (leaks []string) {
	stored, raw := map[string]int{}, map[string]int{}
	for _, p := range places {
		for _, canary := range slices.Concat(s.deliverable, s.action) {
			n := count(p.text, canary)
			switch {
			case n == 0:
			case p.kind == inEvents && strings.HasPrefix(p.name, "EVENTS:"):
				stored[canary] += n
			case p.kind == onDisk && strings.Contains(p.name, "/streams/EVENTS/"):
				raw[canary] += n
			case p.kind == onDisk:
				leaks = append(leaks, fmt.Sprintf("%s on the disk in %s", canary, p.name))
			}
		}
	}
	for canary, n := range raw {
		if stored[canary] != n {
			leaks = append(leaks, fmt.Sprintf("%s stands %d times in the files of EVENTS and %d times in its messages", canary, n, stored[canary]))
		}
	}
	return leaks
}
