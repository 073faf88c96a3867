package canary_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// The kinds of places.
const (
	inEvents  = "events"
	inOrders  = "orders as submitted" // the queue and the dead letters of orders
	inStreams = "other messages"
	inLogs    = "logs"
	inPages   = "pages"
	inAnswers = "answers of services"
	inTraces  = "traces"
	onDisk    = "the disk"
)

// place is something that was left behind.
type place struct {
	kind, name string
	text       []byte
}

// messages reads every message that is still in any stream, the bucket's too.
func (r *rig) messages() (found []place) {
	r.t.Helper()
	ctx := r.t.Context()
	list := r.js.ListStreams(ctx)
	for info := range list.Info() {
		s, err := r.js.Stream(ctx, info.Config.Name)
		if err != nil {
			r.t.Fatal(err)
		}
		for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
			m, err := s.GetMsg(ctx, seq)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			if err != nil {
				r.t.Fatal(err)
			}
			name := fmt.Sprintf("%s:%d:%s", info.Config.Name, seq, m.Subject)
			kind := inStreams
			switch {
			case info.Config.Name == messages.StreamEvents:
				kind = inEvents
			case info.Config.Name == messages.StreamOrders, strings.HasPrefix(m.Subject, "dlq.orders."):
				kind = inOrders
			}
			found = append(found, place{kind, name, m.Data}, place{inStreams, name + " (header)", fmt.Appendf(nil, "%s %v", m.Subject, m.Header)})
		}
		config, _ := json.Marshal(info.Config)
		found = append(found, place{inStreams, "configuration of " + info.Config.Name, config})
	}
	if err := list.Err(); err != nil {
		r.t.Fatal(err)
	}
	return found
}

// pages reads what the programs serve over HTTP.
func (r *rig) pages() (found []place) {
	r.t.Helper()
	for _, l := range r.logs {
		addr := <-l.addr
		for _, path := range []string{"/metrics", "/healthz", "/readyz", "/debug/pprof/goroutine?debug=2"} {
			answer, err := http.Get("http://" + addr + path) //nolint:noctx // a page of our own
			if err != nil {
				r.t.Fatal(err)
			}
			text, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != http.StatusOK {
				r.t.Fatalf("%s %s: %d, %v", l.name, path, answer.StatusCode, err)
			}
			_ = answer.Body.Close()
			found = append(found, place{inPages, l.name + path, append(text, fmt.Sprint(answer.Header)...)})
		}
	}
	return found
}

// said is what the programs have logged.
func (r *rig) said() (found []place) {
	for _, l := range r.logs {
		for i, line := range strings.Split(l.String(), "\n") {
			found = append(found, place{inLogs, fmt.Sprintf("%s:%d", l.name, i+1), []byte(line)})
		}
	}
	return found
}

// ask asks a service and keeps the answer. One that is made of events is read
// as these are.
func (r *rig) ask(subject string, body object) place {
	r.t.Helper()
	text, _ := json.Marshal(body)
	m, err := r.nc.Request(subject, text, patience)
	if err != nil {
		r.t.Fatalf("%s: %v", subject, err)
	}
	return place{inAnswers, subject + " " + string(text), append(m.Data, fmt.Sprint(m.Header)...)}
}

// events takes the events out of an answer of the services about orders.
func (r *rig) events(subject string, body object) (found []place) {
	r.t.Helper()
	text, _ := json.Marshal(body)
	m, err := r.nc.Request(subject, text, patience)
	if err != nil || m.Header.Get("Nats-Service-Error") != "" {
		r.t.Fatalf("%s: %v, %v", subject, err, m)
	}
	var list []json.RawMessage
	var page struct{ Orders []json.RawMessage }
	switch {
	case json.Unmarshal(m.Data, &list) == nil:
	case json.Unmarshal(m.Data, &page) == nil && page.Orders != nil:
		list = page.Orders
	default:
		list = []json.RawMessage{m.Data}
	}
	for i, e := range list {
		found = append(found, place{inEvents, fmt.Sprintf("%s[%d]", subject, i), e})
	}
	return append(found, place{inAnswers, subject + " (header)", []byte(fmt.Sprint(m.Header))})
}

// places are the batches of spans that were sent.
func (c *traces) places() (found []place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, batch := range c.spans {
		found = append(found, place{inTraces, fmt.Sprint("batch ", i), batch})
	}
	return found
}

// disk reads the raw bytes of everything in the server's store.
func disk(root string) (found []place, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		found = append(found, place{onDisk, filepath.ToSlash(name), text})
		return err
	})
	return found, err
}

// parts takes the members out of an event that may hold what nothing else may.
func (p place) parts() (deliverable, action, order, rest []byte, err error) {
	var e map[string]json.RawMessage
	if err = json.Unmarshal(p.text, &e); err != nil {
		return nil, nil, nil, nil, fmt.Errorf("%s is no event: %w", p.name, err)
	}
	deliverable, action, order = e["deliverable"], e["action"], e["order"]
	for _, name := range []string{"deliverable", "action", "order"} {
		delete(e, name)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err = enc.Encode(e)
	return deliverable, action, order, b.Bytes(), err
}
