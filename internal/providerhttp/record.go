package providerhttp

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// journal is one request that is over, as a record is made of it.
type journal struct {
	request Request
	method  string // MethodRead or MethodCreate
	sent    time.Time
	over    time.Time
	answer  *Response // nil: none came; one without a body: not to its end
	failure *providers.Error
}

// record makes the record of a request. Nothing of the request's URL but its
// path, and none of its headers, is in it.
func (j journal) record(sealed bool) messages.HTTPRecord {
	r := messages.HTTPRecord{Op: j.request.Op, Purpose: j.method, Method: j.request.Method, SentAt: instant(j.sent)}
	d := j.request.Disclose
	asked := outlineOf(j.request.ContentType, j.request.Body, d, sealed)
	var answered outline
	whole := j.answer != nil && j.failure == nil
	if whole {
		answered = outlineOf(j.answer.Header.Get("Content-Type"), j.answer.Body, d, sealed)
	}
	hide := echoes(d, asked, answered)
	if len(hide) > maxEchoes {
		asked, answered = asked.withheld(), answered.withheld()
	}
	r.Path = hide.mask(pathOf(j.request.URL))
	r.Request, _ = bodyOf(j.request.ContentType, j.request.Body, asked, hide, maxRequestText)
	if j.answer != nil && j.answer.Status != 0 {
		r.Status = new(j.answer.Status)
	}
	if j.failure != nil {
		r.Error = new(transportError(j.failure))
	}
	if whole {
		body, hid := bodyOf(Shorten(j.answer.Header.Get("Content-Type")), j.answer.Body, answered, hide, maxAnswerText)
		if sealed && hid {
			body.SHA256 = nil
		}
		body.ContentType = hide.mask(body.ContentType)
		r.Answer, r.AnsweredAt = &body, instant(j.over)
	}
	return r
}

func bodyOf(contentType string, body []byte, o outline, hide echo, limit int) (b messages.HTTPBody, hid bool) {
	b = messages.HTTPBody{Bytes: len(body), ContentType: contentType}
	sum := sha256.Sum256(body)
	b.SHA256 = new(hex.EncodeToString(sum[:]))
	b.Text, b.Cut, hid = o.render(hide, limit)
	return b, hid
}

// transportError tells why there is no answer. Its texts are our own: see scrub.
func transportError(e *providers.Error) string {
	if e.Err == nil {
		return e.Code
	}
	return Shorten(e.Code + ": " + e.Err.Error())
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(messages.Stamp(t))
}

func pathOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return Shorten(u.EscapedPath())
}
