package check

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// secrets is I10: no credential is in any stream or log, in any spelling, and
// no code that was sold is anywhere but in the events of an order.
func secrets(v *view, say tell) (looked int) {
	needles := map[string]string{}
	for name, value := range v.Secrets {
		for _, spelt := range spellings(value) {
			needles[spelt] = name
		}
	}
	goods := map[string]bool{}
	for _, code := range v.Goods {
		goods[code] = true
	}
	search := func(where, text string) {
		looked++
		for needle, name := range needles {
			if strings.Contains(text, needle) {
				say("", "%s is in %s", name, where)
			}
		}
	}
	for _, process := range slices.Sorted(maps.Keys(v.Logs)) {
		search("the log of "+process, v.Logs[process])
		for _, code := range sold(goods, v.Logs[process]) {
			say("", "the code %s is in the log of %s", code, process)
		}
	}
	for _, stream := range slices.Sorted(maps.Keys(v.Streams)) {
		for _, m := range v.Streams[stream] {
			where := fmt.Sprintf("%s at %d", stream, m.Seq)
			search(where, m.Subject+" "+m.Data+" "+fmt.Sprint(m.Header))
			if stream == "EVENTS" {
				continue
			}
			for _, code := range sold(goods, m.Data) {
				say("", "the code %s is in %s", code, where)
			}
		}
	}
	return looked
}

// spellings are the forms in which a value could leak.
func spellings(value string) []string {
	all := []string{value, hex.EncodeToString([]byte(value)), url.QueryEscape(value)}
	for i := range 3 { // base64 looks different at each place in its groups of three
		whole := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", i) + value))
		all = append(all, whole[(i*8+5)/6:(i+len(value))*8/6])
	}
	return slices.Compact(slices.Sorted(slices.Values(all)))
}

var (
	digits    = regexp.MustCompile(`[0-9]{6,}`)
	hexDigits = regexp.MustCompile(`(?:3[0-9]){6,}`)
)

// sold finds codes among the numbers of a text. There are many of both, so the
// numbers are looked up instead of each code being searched for.
func sold(goods map[string]bool, text string) (found []string) {
	if len(goods) == 0 {
		return nil
	}
	for _, number := range digits.FindAllString(text, -1) {
		if goods[number] {
			found = append(found, number)
		}
	}
	for _, number := range hexDigits.FindAllString(text, -1) {
		if raw, err := hex.DecodeString(number); err == nil && goods[string(raw)] {
			found = append(found, string(raw))
		}
	}
	return found
}
