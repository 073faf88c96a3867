package app

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Servers is a list of NATS server addresses, separated by commas. Its text may
// hold a password, so it prints without one; [Servers.Reveal] gives it all.
type Servers struct{ text string }

// NewServers wraps a list.
func NewServers(text string) Servers { return Servers{text: text} }

// Reveal returns the list as it was given. Use it to connect, for nothing else.
func (s Servers) Reveal() string { return s.text }

// String renders the list with user and password hidden.
func (s Servers) String() string {
	parts := strings.Split(s.text, ",")
	for i, p := range parts {
		scheme, rest, found := strings.Cut(p, "://")
		if !found {
			scheme, rest = "", p
		} else {
			scheme += "://"
		}
		// The last @ of all counts, also one behind a slash: a password with a
		// raw slash in it must not slip through as if it were a path.
		if at := strings.LastIndex(rest, "@"); at >= 0 {
			rest = "***@" + rest[at+1:]
		}
		parts[i] = scheme + rest
	}
	return strings.Join(parts, ",")
}

// GoString hides the password from %#v.
func (s Servers) GoString() string { return s.String() }

// UnmarshalText checks each address. Its errors never show the text.
func (s *Servers) UnmarshalText(b []byte) error {
	for p := range strings.SplitSeq(string(b), ",") {
		p = strings.TrimSpace(p)
		if !strings.Contains(p, "://") {
			p = "nats://" + p
		}
		u, err := url.Parse(p)
		if err != nil || u.Hostname() == "" {
			return errors.New("is not a list of server addresses like nats://host:4222")
		}
		switch u.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			return errors.New("has an address whose scheme is not nats, tls, ws or wss")
		}
	}
	s.text = string(b)
	return nil
}

// BaseURL is the address of a provider: https, or http to a loopback address.
// It holds no user, query or fragment, so it may be shown.
type BaseURL struct{ text string }

// NewBaseURL checks a URL; its errors never show the text.
func NewBaseURL(text string) (BaseURL, error) {
	var u BaseURL
	return u, u.UnmarshalText([]byte(text))
}

// String returns the URL.
func (u BaseURL) String() string { return u.text }

// Empty reports whether none was given.
func (u BaseURL) Empty() bool { return u.text == "" }

// UnmarshalText checks the URL. Plain http would send the credentials readable
// over the net, so it is allowed on this machine only, for tests and demos.
func (u *BaseURL) UnmarshalText(b []byte) error {
	parsed, err := url.Parse(string(b))
	switch {
	case err != nil || parsed.Hostname() == "" || (parsed.Scheme != "https" && parsed.Scheme != "http"):
		return errors.New("is not a URL like https://host/path")
	case parsed.User != nil || parsed.RawQuery != "" || parsed.ForceQuery || parsed.Fragment != "":
		return errors.New("must not hold a user, a query or a fragment")
	case parsed.Scheme == "http" && !loopback(parsed.Hostname()):
		return errors.New("is plain http to a host that is not a loopback address; use https")
	}
	u.text = string(b)
	return nil
}

// loopback reports whether the host is this machine. Names are not looked up:
// what a resolver says today may differ when the request is sent.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback())
}

// Bytes is a size, written as a number of bytes or with KiB, MiB, GiB or TiB.
type Bytes int64

// String renders the size with the largest unit that keeps it whole.
func (b Bytes) String() string {
	units := []string{"", "KiB", "MiB", "GiB", "TiB"}
	n, i := int64(b), 0
	for n != 0 && n%1024 == 0 && i < len(units)-1 {
		n, i = n/1024, i+1
	}
	return strconv.FormatInt(n, 10) + units[i]
}

// UnmarshalText reads "512MiB".
func (b *Bytes) UnmarshalText(text []byte) error {
	s, shift := string(text), 0
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if rest, found := strings.CutSuffix(s, unit); found {
			s, shift = strings.TrimSpace(rest), 10*(i+1)
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>shift {
		return fmt.Errorf("is not a size like 512MiB")
	}
	*b = Bytes(n << shift)
	return nil
}
