package exchanger

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/providers"
)

// What the documented texts mean to a caller that can go another way.
var (
	// ErrNoBid: "No bid exists". It is also said of bids that do exist: when
	// the direction was switched off, the key changed, or the status forbids it.
	ErrNoBid = errors.New("no bid exists")
	// ErrMethodNotSupported: the method is not enabled for this key.
	ErrMethodNotSupported = errors.New("the method is not enabled for the key")
	// ErrDirectionNotFound: there is no such direction for this key.
	ErrDirectionNotFound = errors.New("direction not found")
)

// Codes of this package's own making.
const (
	// codeAnswerMismatch: the answer speaks of something we did not ask for.
	codeAnswerMismatch = "answer_mismatch"
	// codeOutOfBounds: the exchanger takes another amount than the one asked.
	codeOutOfBounds = "amount_out_of_bounds"
	// codeDirectionNotFound: the exchanger answers no error and no direction.
	codeDirectionNotFound = "direction_not_found"
	// codeMinPayout: less is earned than may be paid out.
	codeMinPayout = "min_payout_not_met"
	// codeHashUnknown: the bid cannot be addressed, so nothing was sent.
	codeHashUnknown = "hash_unknown"
)

// purpose says what a request is for, since an error means different things to
// different requests.
type purpose uint8

const (
	creating  purpose = iota // create_bid
	paying                   // add_partner_payout
	reading                  // before the intent
	checking                 // lookups of what was placed
	following                // cancel_bid, pay_bid
	purposes
)

// said is what an error says, made out of its number and its text, since
// neither tells it alone.
type said uint8

const (
	saidUnclear     said = iota // a number or a text that nobody knows
	saidDisabled                // "Api disabled"
	saidUnsupported             // "Method not supported"
	saidAddress                 // our IP address is blocked
	saidMaintenance             // maintenance
	saidSwitchedOff             // "Action disabled"
	saidNoBid                   // "No bid exists"
	saidDirection               // "Direction not found"
	saidNoPartner               // there is no partner program, or we are no partner in it
	saidDuplicate               // "api id not unique"
	saidRefused                 // what was sent was refused
)

const (
	ambiguous = providers.Ambiguous
	rejected  = providers.Rejected
	retryable = providers.Retryable
	blocked   = providers.Blocked
)

// classes is the table of errors: what was said → class for each purpose. In
// the column of checking nothing is Rejected: no answer about something that
// was placed proves that it was not.
var classes = [...][purposes]providers.Class{
	//                creating   paying     reading    checking   following
	saidUnclear:     {ambiguous, ambiguous, ambiguous, ambiguous, ambiguous},
	saidDisabled:    {blocked, blocked, blocked, blocked, blocked},
	saidUnsupported: {blocked, blocked, blocked, ambiguous, rejected},
	saidAddress:     {blocked, blocked, blocked, blocked, blocked},
	saidMaintenance: {retryable, retryable, retryable, retryable, retryable},
	saidSwitchedOff: {retryable, retryable, retryable, retryable, rejected},
	saidNoBid:       {ambiguous, ambiguous, ambiguous, ambiguous, rejected},
	saidDirection:   {rejected, ambiguous, rejected, ambiguous, rejected},
	saidNoPartner:   {ambiguous, rejected, rejected, ambiguous, rejected},
	saidDuplicate:   {ambiguous, ambiguous, ambiguous, ambiguous, ambiguous},
	saidRefused:     {rejected, rejected, ambiguous, ambiguous, rejected},
}

// verdict is the error of an envelope as it was written.
type verdict struct {
	code    string // "0" is none
	integer bool   // written as a number: some methods, and the gate before all of them
	text    string // plain
	fields  map[string]string
	form    bool // it has error_fields, be they empty: the mark of create_bid and bid_info
	bearing bool // it says no and bears a bid or a payout
}

var errorNumber = regexp.MustCompile(`^(0|[1-9][0-9]{0,4})$`)

// readVerdict reads the error of an envelope; false where there is none that
// can be read.
func readVerdict(e envelope) (verdict, bool) {
	code := providerhttp.Scalar(e.Error)
	if !errorNumber.MatchString(code) {
		return verdict{}, false
	}
	v := verdict{
		code: code, integer: !strings.HasPrefix(strings.TrimSpace(string(e.Error)), `"`),
		text: plain(string(e.ErrorText), maxScanned), fields: readErrorFields(e.ErrorFields), form: e.ErrorFields != nil,
	}
	var made struct {
		ID       ID   `json:"id"`
		Hash     Text `json:"hash"`
		PayoutID ID   `json:"payout_id"`
	}
	if json.Unmarshal(e.Data, &made) == nil {
		v.bearing = made.ID.Valid() || made.Hash != "" || made.PayoutID.Valid()
	}
	return v, true
}

// maxErrorFields is more than a form has: the rest would not be read anyway.
const maxErrorFields = 50

// readErrorFields reads {"field":"why"}; anything else is none.
func readErrorFields(raw json.RawMessage) map[string]string {
	var byName map[string]Text
	if json.Unmarshal(raw, &byName) != nil {
		return nil
	}
	out := map[string]string{}
	for i, name := range slices.Sorted(maps.Keys(byName)) {
		if i == maxErrorFields {
			break
		}
		why := string(byName[name])
		out[plain(name[:min(len(name), 64)], 64)] = plain(why[:min(len(why), 1000)], 200)
	}
	return out
}

// texts are what the documented texts begin or end with, in lower case, the
// weightiest first: several may be joined.
var texts = []struct {
	part string
	said said
}{
	{"api id not unique", saidDuplicate},
	{"maintenance", saidMaintenance},
	{"техническ", saidMaintenance}, // технические работы, техническое обслуживание
	{"api disabled", saidDisabled},
	{"method not supported", saidUnsupported},
	{"no bid exists", saidNoBid},
	{"direction not found", saidDirection},
	{"no active partner program", saidNoPartner},
	{"no partner id", saidNoPartner},
}

var addressBlocked = regexp.MustCompile(`\bip\b.{0,40}\b(blocked|not allowed|denied)\b`)

// speaksOfAPI matches the texts about our key, in whatever language.
var speaksOfAPI = regexp.MustCompile(`\bapi`)

// says makes out what an error says.
func (v verdict) says(p purpose) said {
	text := strings.ToLower(v.text)
	for _, t := range texts {
		if strings.Contains(text, t.part) {
			return t.said
		}
	}
	switch {
	case p == paying && v.code == "1" && v.text != "" && !speaksOfAPI.MatchString(text):
		// The method of payouts writes its own refusals as the gate before all
		// methods does. The lane must not close for one customer's typing error.
		return saidRefused
	case v.integer && v.code == "1":
		return saidDisabled
	case v.code == "2" && (v.integer || addressBlocked.MatchString(text)):
		return saidAddress
	case v.integer && v.code == "3":
		return saidUnsupported
	case v.code == "2" && strings.Contains(text, "action disabled"):
		return saidSwitchedOff
	case v.code == "2":
		return saidMaintenance // in the site's own words, in whatever language
	case v.text == "" && len(v.fields) == 0:
		return saidUnclear // a no without a word is not a definite one
	case p == creating && !v.form:
		return saidUnclear // create_bid always tells its error_fields: this no is somebody else's
	case v.code == "3", p == following && v.code == "1":
		return saidRefused
	default:
		return saidUnclear
	}
}

// meaning is what a caller that can go another way asks for.
var meaning = map[said]error{saidNoBid: ErrNoBid, saidUnsupported: ErrMethodNotSupported, saidDirection: ErrDirectionNotFound}

// failure makes the error of an answer that says no.
func (c *Client) failure(k call, v verdict, e envelope) *providers.Error {
	s := v.says(k.purpose)
	out := &providers.Error{
		Op: k.op(), Class: classes[s][k.purpose], Code: v.code, Message: c.clean(message(v)),
		Exists: s == saidDuplicate && k.purpose == creating, Err: meaning[s],
	}
	if v.bearing || !nothing(e.Data) && (k.purpose == creating || k.purpose == paying) {
		// It says no and yes at once: such a no is not definite.
		out.Class = providers.Ambiguous
	}
	return out
}

// bareTexts are the errors as the manual prints them: without an envelope.
var bareTexts = map[string]said{
	"api disabled": saidDisabled, "method not supported": saidUnsupported, "no bid exists": saidNoBid, "direction not found": saidDirection,
}

// bare makes the error of an answer that is one of the manual's texts and
// nothing else; nil of any other. The script says them in an envelope, so what
// came without one is in doubt where something may have been bought.
func (c *Client) bare(k call, body []byte) *providers.Error {
	if len(body) > 64 || k.purpose == creating || k.purpose == paying {
		return nil
	}
	text := strings.ToLower(providerhttp.Scalar(bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\ufeff"))))
	s, documented := bareTexts[text]
	if !documented {
		return nil
	}
	class := classes[s][k.purpose]
	if s == saidUnsupported {
		class = providers.Blocked // whatever wrote it, the key's settings must be looked at
	}
	return &providers.Error{Op: k.op(), Class: class, Code: strings.ReplaceAll(text, " ", "_"), Message: text, Err: meaning[s]}
}

// message tells the text and, by name, what was wrong with which field.
func message(v verdict) string {
	parts := []string{v.text}
	if v.text == "" {
		parts = nil
	}
	for _, name := range slices.Sorted(maps.Keys(v.fields)) {
		parts = append(parts, name+": "+v.fields[name])
	}
	return strings.Join(parts, "; ")
}
