package webhook

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
)

// The media types that are taken. How a provider's form is written on the wire
// is the choice of the library that it calls with, and may change with it.
const (
	formType      = "application/x-www-form-urlencoded"
	jsonType      = "application/json"
	multipartType = "multipart/form-data"
)

// maxParts is far more than any callback has fields.
const maxParts = 256

var (
	errParts = errors.New("the parts of the body cannot be read")
	errFile  = errors.New("the body holds a file")
)

// flattened rewrites a body in parts as the form with the same fields, in the
// same order and as often, so that a verifier meets one way to write them. The
// values are taken to the letter: they may be signed. The body is within its
// limit already, and nothing is written to a disk.
func flattened(body []byte, boundary string) ([]byte, error) {
	var form []string
	for r := multipart.NewReader(bytes.NewReader(body), boundary); ; {
		part, err := r.NextRawPart() // not NextPart, which would undo quoted-printable
		if errors.Is(err, io.EOF) && len(form) > 0 {
			return []byte(strings.Join(form, "&")), nil
		}
		if err != nil || len(form) == maxParts || part.FormName() == "" || transferred(part) {
			return nil, errParts
		}
		if part.FileName() != "" {
			return nil, errFile
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, errParts
		}
		form = append(form, url.QueryEscape(part.FormName())+"="+url.QueryEscape(string(value)))
	}
}

// transferred reports whether a part is written in an encoding of its own,
// which forms have not used for many years.
func transferred(part *multipart.Part) bool {
	switch strings.ToLower(part.Header.Get("Content-Transfer-Encoding")) {
	case "", "7bit", "8bit", "binary":
		return false
	default:
		return true
	}
}

// opened makes of a body what verifiers read, and says what type that is.
func opened(body []byte, kind, boundary string) ([]byte, string, outcome) {
	if kind != multipartType {
		return body, kind, ""
	}
	form, err := flattened(body, boundary)
	switch {
	case errors.Is(err, errFile):
		return nil, "", wrongType
	case err != nil:
		return nil, "", cutOff
	default:
		return form, formType, ""
	}
}

// compressed reports whether a body is compressed: a small one could become large.
func compressed(h http.Header) bool {
	encoding := h.Get("Content-Encoding")
	return encoding != "" && encoding != "identity"
}
