package providerhttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/beltline-io/beltline/pkg/providers"
)

// maxRetryAfter caps what a provider may ask for: beyond it the number is a
// mistake, and a lane would stay closed for days.
const maxRetryAfter = 24 * time.Hour

// bodyError says that an answer began and could not be read to its end.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

// notSent is the failure of a request of which no byte left.
func notSent(op string, refused, err error) *providers.Error {
	cause := refused
	if cause == nil {
		cause = scrub(err)
	}
	if cause == nil {
		cause = errOver
	}
	return &providers.Error{Op: op, Class: providers.Retryable, Code: providers.CodeNotSent, Err: cause}
}

// lost is the failure of a request that was sent and whose answer was not read.
func lost(op string, ctx context.Context, err error) *providers.Error {
	e := &providers.Error{Op: op, Class: providers.Ambiguous, Code: providers.CodeConnectionReset, Err: scrub(err)}
	var body *bodyError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded), isTimeout(err):
		e.Code = providers.CodeTimeout
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, context.Canceled):
	case errors.As(err, &body):
		e.Code = providers.CodeUnreadable
	}
	return e
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// StatusError is the error for an answer whose status is all that can be read
// of it. Only "too many" is known to have done nothing: a proxy may answer 4xx
// or 5xx for a request that the provider has executed.
func StatusError(op string, r *Response) *providers.Error {
	e := &providers.Error{
		Op: op, Class: providers.Ambiguous, Code: "http_" + strconv.Itoa(r.Status), HTTPStatus: r.Status,
		Message: http.StatusText(r.Status),
	}
	switch {
	case r.Status == http.StatusTooManyRequests:
		e.Class = providers.Retryable
		e.RetryAfter = retryAfter(r.Header.Get("Retry-After"), time.Now())
	case r.Status < 300:
		e.Code = providers.CodeUnreadable
	}
	return e
}

// retryAfter reads seconds or a date; 0 where there is neither.
func retryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		if seconds > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, at.Sub(now)), maxRetryAfter)
	}
	return 0
}

// cause is an error of the network in words of our own. The original text may
// quote a URL, or bytes that the server sent, and these may hold a secret.
type cause struct {
	text string
	is   error // what errors.Is may still find; nil for none
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.is }

// scrub retells err without anything that came from outside.
func scrub(err error) error {
	if err == nil {
		return nil
	}
	var (
		errno     syscall.Errno
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		hostname  x509.HostnameError
		header    tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, ErrTooLong):
		return ErrTooLong // in words of our own
	case errors.Is(err, context.DeadlineExceeded):
		return &cause{"deadline exceeded", context.DeadlineExceeded}
	case errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return &cause{"timed out", os.ErrDeadlineExceeded}
	case errors.Is(err, context.Canceled):
		return &cause{"canceled", context.Canceled}
	case errors.As(err, &dns):
		return &cause{"the host name cannot be resolved", nil}
	case errors.As(err, &errno):
		return &cause{errno.Error(), errno}
	case errors.As(err, &authority):
		return &cause{"TLS: the certificate is signed by an unknown authority", nil}
	case errors.As(err, &hostname):
		return &cause{"TLS: the certificate is for another host", nil}
	case errors.As(err, &invalid):
		return &cause{fmt.Sprintf("TLS: the certificate is invalid (reason %d)", invalid.Reason), nil}
	case errors.As(err, &header):
		return &cause{"TLS: the server does not speak TLS", nil}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &cause{"the answer was cut short", io.ErrUnexpectedEOF}
	case errors.Is(err, io.EOF):
		return &cause{"the connection was closed", io.EOF}
	}
	return &cause{unquoted(err.Error()), nil}
}

// unquoted keeps the beginning of a text of net/http or crypto/tls, which is
// their own, and drops the rest: what they repeat from the wire comes after a
// quote or a colon.
func unquoted(text string) string {
	prefix := ""
	for _, known := range []string{"remote error: ", "net/http: ", "HTTP/1.x transport connection broken: ", "http: ", "tls: "} {
		rest, found := strings.CutPrefix(text, known)
		if found && known == "tls: " {
			prefix = "TLS: "
		}
		text = rest
	}
	if i := strings.IndexAny(text, "\":`'\\"); i >= 0 {
		text = strings.TrimSpace(text[:i])
	}
	if text == "" {
		text = "the connection failed"
	}
	return prefix + Shorten(text)
}
