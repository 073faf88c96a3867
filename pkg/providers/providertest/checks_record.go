package providertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// leastGoods is the shortest part of a deliverable that is looked for in a
// record: a shorter one is found in half of all numbers.
const leastGoods = 6

// leavesRecord proves that a purchase leaves a record that tells something, and
// nothing that must not be told: no credential, no goods code, no address to
// pay at, and of a sealed order nothing of what was delivered.
func (b *bench) leavesRecord() error {
	s, plan, err := b.prepared(patience)
	if err != nil {
		return err
	}
	defer s.close()
	var made providers.Recorder
	before := s.bench.ctx
	s.bench.ctx = providers.WithRecorder(before, &made)
	answer, err := s.place(plan)
	s.bench.ctx = before
	if err != nil {
		return fmt.Errorf("placing the sample: %w", err)
	}
	open, sealed := made.Records(false), made.Records(true)
	switch {
	case len(open) != 1:
		return fmt.Errorf("%d records of one request", len(open))
	case open[0].Op == "" || open[0].Path == "" || open[0].SentAt == nil || open[0].Answer == nil:
		return errors.New("the record lacks what every record has")
	case open[0].Request.Text == "" || open[0].Answer.Text == "":
		return errors.New("the record shows nothing of request or answer: the adapter declares no field fit to be shown")
	}
	err = errors.Join(b.clean("the record", open), b.hides("the record", open, goodsCodes(answer)))
	known, marshalErr := json.Marshal(b.sample.Order)
	if marshalErr != nil {
		return marshalErr
	}
	var brought []string
	for _, leaf := range leaves(answer.Deliverable) {
		// What the order itself says is no secret of the answer's.
		if !strings.Contains(string(known), leaf) {
			brought = append(brought, leaf)
		}
	}
	return errors.Join(err, b.clean("a sealed record", sealed), b.hides("a sealed record", sealed, brought))
}

// hides reports what stands in records and must not.
func (b *bench) hides(what string, list []messages.HTTPRecord, secrets []string) error {
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	for _, s := range secrets {
		if len(s) >= leastGoods && strings.Contains(string(text), s) {
			return fmt.Errorf("%s shows %q", what, s)
		}
	}
	return nil
}

// goodsCodes are what only deliverable and action may tell of an answer.
func goodsCodes(a providers.Answer) (list []string) {
	var goods map[string]json.RawMessage
	if json.Unmarshal(a.Deliverable, &goods) == nil {
		for _, name := range []string{"key", "code", "pin"} {
			list = append(list, leaves(goods[name])...)
		}
	}
	if a.Action != nil {
		list = append(list, a.Action.URL, a.Action.Address)
	}
	return list
}

// leaves are all texts and numbers within a JSON value.
func leaves(raw json.RawMessage) (list []string) {
	var object map[string]json.RawMessage
	var array []json.RawMessage
	var text string
	switch {
	case len(raw) == 0 || string(raw) == "null":
	case json.Unmarshal(raw, &object) == nil:
		for _, member := range object {
			list = append(list, leaves(member)...)
		}
	case json.Unmarshal(raw, &array) == nil:
		for _, member := range array {
			list = append(list, leaves(member)...)
		}
	case json.Unmarshal(raw, &text) == nil:
		list = append(list, text)
	default:
		list = append(list, string(raw))
	}
	return list
}
