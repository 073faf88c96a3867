package webhook

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/pkg/messages"
)

// retryAfter is asked of callers that are to try again.
const retryAfter = 10 * time.Second

// hookOrigin stands where a dead letter names the stream that it came from.
const hookOrigin = "WEBHOOK"

// secondLook is the pause before an order is believed not to exist: a server
// that is just closing its store may say so of every order.
const secondLook = 250 * time.Millisecond

// serve answers one request. Nothing is written before the outcome is known,
// so no 200 can leave before the callback is stored.
func (d *Door) serve(w http.ResponseWriter, r *http.Request) {
	out := broken
	defer func() {
		if v := recover(); v != nil {
			// The panic's own text may hold a piece of the body. The stack holds none.
			d.log.Error().Bytes("stack", debug.Stack()).Msg("callback made the door panic")
		}
		d.answer(w, out)
	}()
	out = d.handle(w, r)
}

// answer writes the same to every request with the same outcome, whatever was
// asked. Only who has shown a valid token may keep the connection: others would
// hold its slot until it is idle for too long.
func (d *Door) answer(w http.ResponseWriter, out outcome) {
	d.metrics.requests.WithLabelValues(string(out)).Inc()
	status := statuses[out]
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if status != http.StatusOK {
		h.Set("Connection", "close")
	}
	if out == notPosted {
		h.Set("Allow", http.MethodPost)
	}
	if out == unavailable || out == tooMany {
		h.Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, http.StatusText(status))
}

// handle does everything but answer. What costs least is asked first, and the
// body is not read before the token is right.
func (d *Door) handle(w http.ResponseWriter, r *http.Request) outcome {
	now, from := d.o.Now(), peer(r.RemoteAddr)
	a, known := d.recognise(r.URL)
	if r.Method != http.MethodPost || !known {
		// Counted apart from the peers with a token: behind one proxy all have
		// one address, and strangers must not use up the providers' share.
		switch {
		case !d.strangers.allow(from, now):
			return tooMany
		case r.Method != http.MethodPost: // on every path, so that it tells nothing of this one
			return notPosted
		default:
			return notFound
		}
	}
	if !d.orders.allow(a.key(), now) || !d.peers.allow(from, now) {
		return tooMany
	}
	kind, boundary, ok := contentType(r.Header)
	if !ok {
		return wrongType
	}
	body, out := d.read(w, r)
	if out != "" {
		return out
	}
	readable, kind, out := opened(body, kind, boundary)
	if out != "" {
		return out
	}
	told, out := d.judge(a, from, readable, kind, now)
	if out != "" {
		return out
	}
	return d.keep(r.Context(), a, body, readable, hint(told.Fields, now))
}

// judge lets through what the provider itself has sent, and not at a time that
// cannot be true. Its log is without the verifier's error, which may quote the
// body, or say what a forger lacks.
func (d *Door) judge(a address, from string, body []byte, kind string, now time.Time) (Callback, outcome) {
	log := d.log.With().Str(logkey.Tenant, a.tenant).Str(logkey.OrderID, a.orderID).Str(logkey.Addr, from).Logger()
	told, err := d.o.Verify(body, kind)
	switch {
	case err != nil:
		log.Warn().Msg("callback with a valid token was not signed by the provider")
		return told, unverified
	case told.misdated(now, d.o.Limits.Skew):
		log.Warn().Msg("callback with a valid signature bears a time that is not its own; it is replayed, or a clock is wrong")
		return told, misdated
	}
	return told, ""
}

// peer is the key under which a caller is counted. One customer of an IPv6
// network has a whole /64 of addresses.
func peer(remote string) string {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	ip := ap.Addr().Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}

// contentType returns the media type if it is one that providers send, and the
// boundary of one in parts.
func contentType(h http.Header) (kind, boundary string, ok bool) {
	all := h.Values("Content-Type")
	if len(all) != 1 || compressed(h) {
		return "", "", false
	}
	kind, params, err := mime.ParseMediaType(all[0])
	if err != nil {
		return "", "", false
	}
	switch kind {
	case formType, jsonType:
		return kind, "", true
	case multipartType:
		return kind, params["boundary"], params["boundary"] != ""
	default:
		return "", "", false
	}
}

// read returns the whole body, or what went wrong.
func (d *Door) read(w http.ResponseWriter, r *http.Request) ([]byte, outcome) {
	most := d.o.Limits.BodyBytes
	if r.ContentLength > most {
		return nil, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var over *http.MaxBytesError
	switch {
	case err == nil:
		return body, ""
	case errors.As(err, &over):
		return nil, tooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, tooSlow
	default:
		return nil, cutOff
	}
}

// keep stores the callback. A caller that hangs up meanwhile changes nothing:
// some providers call only once, and the request's own context ends with the
// time for reading it.
//
// readable is the body as the verifier read it: by it a repetition is known,
// because the boundary between the parts of a body is another one each time.
func (d *Door) keep(ctx context.Context, a address, body, readable, hint []byte) outcome {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.o.Limits.Store)
	defer cancel()
	log := d.log.With().Str(logkey.Tenant, a.tenant).Str(logkey.OrderID, a.orderID).Logger()
	failpoint.Hit("hook.begin")
	out := stored
	again, err := d.memory.once(ctx, a.key(), readable, func() (err error) {
		out, err = d.store(ctx, a, body, hint)
		return err
	})
	failpoint.Hit("hook.kept")
	switch {
	case err != nil:
		log.Warn().Err(err).Msg("callback could not be stored; the provider was asked to send it again")
		return unavailable
	case again:
		return repeated
	case out == orphaned:
		// Its address was made by us, so the order existed once.
		log.Error().Msg("callback fits no order in the ledger; it was kept as a dead letter")
	default:
		log.Info().Msg("callback stored as a check")
	}
	return out
}

// store puts the callback where somebody will act on it. It does not judge: a
// callback for an order that has ended is sent too, because what to make of it
// is known to the worker alone.
func (d *Door) store(ctx context.Context, a address, body, hint []byte) (outcome, error) {
	last, err := d.last(ctx, a)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return orphaned, d.bury(ctx, a, body, messages.ReasonUnknownOrder, "the ledger holds no such order")
	case errors.Is(err, ledger.ErrInvalid):
		return orphaned, d.bury(ctx, a, body, messages.ReasonCommandUnprocessable, "the order's last event cannot be read")
	case err != nil:
		return "", err
	case last.Event.Provider != d.o.Provider:
		return orphaned, d.bury(ctx, a, body, messages.ReasonUnknownOrder, "the order is another provider's")
	case last.Event.Forgotten():
		// The worker could do nothing with it. Somebody may have paid after all.
		return orphaned, d.bury(ctx, a, body, messages.ReasonUnknownOrder, "the order was erased")
	}
	c := messages.CommandFor(last.Event, last.Seq)
	c.Hint = hint
	return stored, d.queue.Send(ctx, d.o.Provider, messages.Check, c)
}

// last reads the order's last event, and looks again before it believes that
// there is none.
func (d *Door) last(ctx context.Context, a address) (*ledger.Entry, error) {
	e, err := d.ledger.Last(ctx, a.tenant, a.orderID)
	if !errors.Is(err, ledger.ErrNotFound) {
		return e, err
	}
	pause := time.NewTimer(secondLook)
	defer pause.Stop()
	select {
	case <-pause.C:
		return d.ledger.Last(ctx, a.tenant, a.orderID)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// bury keeps the callback as it came. Its origin is no stream; it is named all
// the same, so that the same callback is kept once.
func (d *Door) bury(ctx context.Context, a address, body []byte, why messages.Reason, cause string) error {
	origin := messages.Origin(hookOrigin, 0, firstSegment+"."+string(d.o.Provider)+"."+a.tenant+"."+a.orderID)
	return d.queue.Bury(ctx, messages.DeadHooks(d.o.Provider), body, why, cause, origin, a.orderID)
}
