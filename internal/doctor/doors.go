package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/beltline-io/beltline/pkg/messages"
)

// noToken stands where an address of a callback has its token. Its letters are
// those of a token, and no key makes it.
const noToken = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// doors looks whether providers reach us. Those whose worker is known to be
// away are left out: that is said already.
func (e *examination) doors(ctx context.Context) {
	names := slices.Sorted(maps.Keys(e.o.Callbacks))
	all := make([]*Finding, len(names))
	var knocks sync.WaitGroup
	for i, p := range names {
		s, asked := e.serving[p.Service()]
		if asked && s.replicas == 0 && s.unknown == nil && !slices.Contains(e.o.Serving, p) {
			continue
		}
		knocks.Go(func() {
			f := e.door(ctx, p, e.o.Callbacks[p])
			all[i] = &f
		})
	}
	knocks.Wait()
	for _, f := range all {
		if f != nil {
			e.add(*f)
		}
	}
}

// door knocks twice: a door of ours refuses to be read on every path, and finds
// nothing where the token is wrong. What answers otherwise is somebody else.
func (e *examination) door(ctx context.Context, p messages.Provider, public string) Finding {
	f := Finding{
		Severity: Fault, Check: "callbacks " + string(p),
		Means: "callbacks do not arrive: orders are still polled, so they end later and none is lost",
		Do:    "see whether worker-" + string(p) + " listens on its WEBHOOK_ADDR, and whether the proxy and the firewall in front of it let WEBHOOK_PUBLIC_URL through",
	}
	address := strings.Join([]string{strings.TrimRight(public, "/"), "hook", string(p), "doctor", "doctor", noToken}, "/")
	read, allow, err := e.knock(ctx, http.MethodGet, address)
	if err != nil {
		f.Found = fmt.Sprintf("%s was not reached: %s", public, err)
		return f
	}
	posted, _, err := e.knock(ctx, http.MethodPost, address)
	switch {
	case err != nil:
		f.Found = fmt.Sprintf("%s was not reached: %s", public, err)
	case read == http.StatusTooManyRequests || posted == http.StatusTooManyRequests:
		return Finding{Severity: Note, Check: f.Check, Found: public + " answers that it is asked too often", Do: "ask again in a minute"}
	case read != http.StatusMethodNotAllowed || allow != http.MethodPost || posted != http.StatusNotFound:
		f.Found = fmt.Sprintf("something else answers at %s: %d where our door says 405, %d where it says 404", public, read, posted)
	default:
		return Finding{Severity: OK, Check: f.Check, Found: "our door answers at " + public}
	}
	return f
}

func (e *examination) knock(ctx context.Context, method, address string) (status int, allow string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(""))
	if err != nil {
		return 0, "", errors.New("it is not a URL")
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := e.o.HTTP.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address, which is said already
		}
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	return answer.StatusCode, answer.Header.Get("Allow"), nil
}
