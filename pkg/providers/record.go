package providers

import (
	"context"
	"sync"

	"github.com/beltline-io/beltline/pkg/messages"
)

// keptCalls is how many requests a [Recorder] remembers: those of one step of
// an order. Their bodies are held until then.
const keptCalls = 2

// Recorder remembers the last requests that were made with it in their context,
// so that what they led to can be recorded with them. Its zero value is ready,
// it is safe for concurrent use, and a nil one remembers nothing.
type Recorder struct {
	mu    sync.Mutex
	calls []func(sealed bool) messages.HTTPRecord
}

// Add remembers a request. The transport calls it when the request is over;
// render makes the record, with less in it where the order is sealed.
func (r *Recorder) Add(render func(sealed bool) messages.HTTPRecord) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, render)
	r.calls = r.calls[max(0, len(r.calls)-keptCalls):]
}

// Records makes the records of the requests remembered, oldest first.
func (r *Recorder) Records(sealed bool) []messages.HTTPRecord {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []messages.HTTPRecord
	for _, render := range r.calls {
		list = append(list, render(sealed))
	}
	return list
}

type recorderKey struct{}

// WithRecorder returns a context whose requests are remembered by r.
func WithRecorder(ctx context.Context, r *Recorder) context.Context {
	return context.WithValue(ctx, recorderKey{}, r)
}

// RecorderOf returns the recorder of the context, or nil.
func RecorderOf(ctx context.Context) *Recorder {
	r, _ := ctx.Value(recorderKey{}).(*Recorder)
	return r
}
