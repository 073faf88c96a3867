package providertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxRequestBody is more than any request of ours.
const maxRequestBody = 1 << 20

// Door is the outside of a fake provider, an http.Handler: it writes down what
// arrives, plays the faults and passes the rest on. Make it with [NewDoor].
type Door struct {
	// Faults is the script that the door plays.
	Faults *Faults
	// Book is where it writes.
	Book *Book

	op      func(*http.Request) string
	inside  http.Handler
	count   atomic.Int64
	closed  chan struct{}
	closing sync.Once
}

var _ http.Handler = (*Door)(nil)

// NewDoor wraps the handler of a fake. op names the endpoint of a request; it
// may read the form or the body, which is kept for the handler. The handler
// must be quick: it is called without a way to cancel it, because a provider
// does not stop when its client goes away.
func NewDoor(book *Book, faults *Faults, op func(*http.Request) string, inside http.Handler) *Door {
	return &Door{Faults: faults, Book: book, op: op, inside: inside, closed: make(chan struct{})}
}

// Close ends the waiting of timed-out requests. Call it before the server's.
func (d *Door) Close() { d.closing.Do(func() { close(d.closed) }) }

type requestKey struct{}

type arrived struct {
	number int64
	op     string
}

// Commit writes down that the request of ctx was executed. The fake calls it
// at the moment when it changes its own state, with the state's lock held.
func (d *Door) Commit(ctx context.Context, e Entry) {
	at, _ := ctx.Value(requestKey{}).(arrived)
	e.Phase, e.Request = Committed, at.number
	if e.Op == "" {
		e.Op = at.op
	}
	d.Book.Append(e)
}

// ServeHTTP plays the fault that the script has for the request, if any.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBody))
	if err != nil {
		return // a request that never arrived completely is not received
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	at := arrived{number: d.count.Add(1), op: d.op(r)}
	r.Body = io.NopCloser(bytes.NewReader(body)) // op may have read it
	r.Form, r.PostForm, r.MultipartForm = nil, nil, nil
	digest := sha256.Sum256(body)
	d.Book.Append(Entry{Phase: Received, Request: at.number, Op: at.op, Body: hex.EncodeToString(digest[:8])})

	fault, faulty := d.Faults.Take(at.op)
	answer := httptest.NewRecorder()
	if !faulty || fault.Commits() {
		ctx := context.WithValue(context.WithoutCancel(r.Context()), requestKey{}, at)
		d.inside.ServeHTTP(answer, r.WithContext(ctx))
	} else {
		_, _ = io.WriteString(answer, "{}")
	}
	e := Entry{Phase: Answered, Request: at.number, Op: at.op}
	if faulty {
		e.Fault = fault.String()
		if fault.Kind == Echo {
			d.write(w, e, http.StatusOK, nil, dump(r, body))
			return
		}
		d.spoil(w, r, fault, answer, e)
		return
	}
	d.write(w, e, answer.Code, answer.Header(), answer.Body.Bytes())
}

// spoil answers as the fault says, or not at all.
func (d *Door) spoil(w http.ResponseWriter, r *http.Request, f Fault, genuine *httptest.ResponseRecorder, e Entry) {
	body := genuine.Body.Bytes()
	status := genuine.Code
	switch f.Kind {
	case TimeoutBeforeCommit, TimeoutAfterCommit:
		select {
		case <-r.Context().Done():
		case <-d.closed:
		}
		panic(http.ErrAbortHandler)
	case ResetBeforeCommit, ResetAfterCommit:
		reset(w)
	case Truncated:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
		d.write(w, e, status, genuine.Header(), body[:len(body)/2])
		panic(http.ErrAbortHandler)
	case HTML:
		d.write(w, e, http.StatusOK, nil, []byte(page))
	case Empty:
		d.write(w, e, http.StatusOK, genuine.Header(), nil)
	case Huge:
		d.write(w, e, status, genuine.Header(), append(body, bytes.Repeat([]byte(" "), 1<<20)...))
	case WrongTypes:
		d.write(w, e, status, genuine.Header(), wrapValues(body))
	case DuplicateKeys:
		d.write(w, e, status, genuine.Header(), repeatKey(body))
	case StatusOnly:
		d.write(w, e, f.Status, nil, []byte(page))
	case StatusWithBody:
		d.write(w, e, f.Status, genuine.Header(), body)
	case TooManyRequests:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.FormatInt(int64(f.RetryAfter/time.Second), 10))
		}
		d.write(w, e, http.StatusTooManyRequests, nil, nil)
	case RedirectTo:
		w.Header().Set("Location", "/redirected")
		d.write(w, e, f.Status, nil, nil)
	case Slow:
		wait := time.NewTimer(f.Delay)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-d.closed:
		}
		d.write(w, e, status, genuine.Header(), body)
	default:
		panic("providertest: unknown fault " + f.String())
	}
}

const page = "<!doctype html><html><body><h1>Please wait while we check your browser</h1></body></html>"

func (d *Door) write(w http.ResponseWriter, e Entry, status int, header http.Header, body []byte) {
	for key, values := range header {
		w.Header()[key] = values
	}
	if header == nil {
		w.Header().Set("Content-Type", "text/html")
	}
	// Written down first: who has read the answer must find it in the book.
	e.Status = status
	d.Book.Append(e)
	w.WriteHeader(status)
	_, _ = w.Write(body)
	_ = http.NewResponseController(w).Flush()
}

// dump renders a request, credentials and all.
func dump(r *http.Request, body []byte) []byte {
	var b bytes.Buffer
	b.WriteString("cannot handle " + r.Method + " " + r.URL.String() + "\n")
	_ = r.Header.Write(&b)
	b.Write(body)
	return b.Bytes()
}

// reset ends the connection with a RST, so that the client cannot take it for
// an orderly close.
func reset(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	raw := c
	if secured, ok := c.(interface{ NetConn() net.Conn }); ok {
		raw = secured.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = raw.Close()
}

// wrapValues makes every value of an object an array of it.
func wrapValues(body []byte) []byte {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return []byte(`[[]]`)
	}
	wrapped := map[string][]json.RawMessage{}
	for key, value := range object {
		wrapped[key] = []json.RawMessage{value}
	}
	out, err := json.Marshal(wrapped)
	if err != nil {
		return []byte(`[[]]`)
	}
	return out
}

// repeatKey repeats the first key of an object with the value null.
func repeatKey(body []byte) []byte {
	text := strings.TrimSpace(string(body))
	key, _, found := strings.Cut(strings.TrimPrefix(text, "{"), ":")
	if !found {
		return []byte(`{"a":1,"a":2}`)
	}
	return []byte(strings.TrimSuffix(text, "}") + "," + key + ":null}")
}
