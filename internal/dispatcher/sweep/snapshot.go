package sweep

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	snapshotKey     = "sweeper"
	snapshotVersion = 2
	// partBytes stays below the least max_payload that the contract allows.
	partBytes = 128 << 10
	maxParts  = 128
)

// errTooLarge is returned for an index that is not worth saving.
var errTooLarge = errors.New("index is too large to be saved")

// pointer is the value of snapshotKey: it names the parts of the saved index.
// There are two sets of parts, a and b, written in turn, so that the pointer
// always names a whole one and the bucket does not grow.
type pointer struct {
	V      int    `json:"v"`
	Set    string `json:"set"`
	Parts  int    `json:"parts"`
	Orders int    `json:"orders"`
}

// header is the first line inside the parts. It says which ledger the index
// was made from; the checksum of gzip covers it together with the orders, so
// that parts of two writers never pass for one index.
type header struct {
	V      int       `json:"v"`
	Seq    uint64    `json:"seq"`
	Ledger time.Time `json:"ledger"` // when EVENTS was created
	Orders int       `json:"orders"`
	Fence  uint64    `json:"fence"` // what the bucket counted when the index was begun
	Last   time.Time `json:"last"`  // when the event at Seq was stored
}

func partKey(set string, n int) string { return fmt.Sprintf("%s.%s.%d", snapshotKey, set, n) }

// encode writes the index: a header, and a line for each order.
func (x *index) encode(ledger time.Time) ([]byte, int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var buf bytes.Buffer
	zip := gzip.NewWriter(&buf)
	head, err := json.Marshal(header{V: snapshotVersion, Seq: x.seq, Ledger: ledger, Orders: x.items.size, Fence: x.fence, Last: x.last})
	if err != nil {
		return nil, 0, err
	}
	if _, err := fmt.Fprintf(zip, "%s\n", head); err != nil {
		return nil, 0, err
	}
	for name, e := range x.items.all() {
		if _, err := fmt.Fprintf(zip, "%s %s %s %d %d\n", name, providers[e.provider], verbs[e.verb], e.seq, e.due); err != nil {
			return nil, 0, err
		}
	}
	if err := zip.Close(); err != nil {
		return nil, 0, err
	}
	return buf.Bytes(), x.items.size, nil
}

// decode fills an empty index. The index is not to be used after an error.
func (x *index) decode(b []byte, ledger time.Time, lastSeq uint64) error {
	zip, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return err
	}
	lines := bufio.NewReader(zip)
	first, err := lines.ReadBytes('\n')
	if err != nil {
		return err
	}
	var h header
	if err := json.Unmarshal(first, &h); err != nil {
		return err
	}
	switch {
	case h.V != snapshotVersion:
		return fmt.Errorf("version %d", h.V)
	case !h.Ledger.Equal(ledger):
		return errors.New("made from another ledger")
	case h.Fence != x.fence:
		return errors.New("made before the ledger was found to have lost something")
	case h.Seq > lastSeq:
		return fmt.Errorf("made at sequence %d, but the ledger ends at %d: it was restored from an older copy", h.Seq, lastSeq)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) { // the checksum was right
			break
		}
		if err != nil {
			return err
		}
		key, e, err := parseEntry(line)
		if err != nil {
			return err
		}
		x.items.put([]byte(key), e)
	}
	if x.items.size != h.Orders {
		return fmt.Errorf("has %d orders instead of %d", x.items.size, h.Orders)
	}
	x.seq, x.last = h.Seq, h.Last
	return nil
}

func parseEntry(line string) (key string, e entry, err error) {
	fields := strings.Fields(line)
	if len(fields) != 5 {
		return "", e, errors.New("unreadable line")
	}
	if e.seq, err = strconv.ParseUint(fields[3], 10, 64); err != nil {
		return "", e, err
	}
	if e.due, err = strconv.ParseInt(fields[4], 10, 64); err != nil {
		return "", e, err
	}
	e.look = e.due
	e.provider, e.verb = code(providers, messages.Provider(fields[1])), code(verbs, messages.Verb(fields[2]))
	tenant, id, ok := strings.Cut(fields[0], "/")
	if !ok || !messages.ValidTenant(tenant) || !messages.ValidToken(id) || e.provider == 0 || e.verb == 0 {
		return "", e, fmt.Errorf("unusable order %q", fields[0])
	}
	return fields[0], e, nil
}

// save stores the index in the set of parts that is not in use.
func (x *index) save(ctx context.Context, kv jetstream.KeyValue, ledger time.Time, most int) error {
	b, count, err := x.encode(ledger)
	if err != nil {
		return err
	}
	parts := (len(b) + partBytes - 1) / partBytes
	if parts > most {
		return fmt.Errorf("%w: %d orders, %d bytes", errTooLarge, count, len(b))
	}
	set := "a"
	if old, err := readPointer(ctx, kv); err == nil && old.Set == set {
		set = "b"
	}
	for n := range parts {
		part := b[n*partBytes : min((n+1)*partBytes, len(b))]
		failpoint.Hit("sweep.part.before")
		_, err := kv.Put(ctx, partKey(set, n), part)
		failpoint.Hit("sweep.part.after")
		if err != nil {
			return err
		}
	}
	p, err := json.Marshal(pointer{V: snapshotVersion, Set: set, Parts: parts, Orders: count})
	if err != nil {
		return err
	}
	failpoint.Hit("sweep.pointer.before")
	_, err = kv.Put(ctx, snapshotKey, p)
	failpoint.Hit("sweep.pointer.after")
	return err
}

func readPointer(ctx context.Context, kv jetstream.KeyValue) (pointer, error) {
	entry, err := kv.Get(ctx, snapshotKey)
	if err != nil {
		return pointer{}, err
	}
	var p pointer
	if err := json.Unmarshal(entry.Value(), &p); err != nil {
		return pointer{}, err
	}
	if p.V != snapshotVersion || p.Parts < 1 || p.Parts > maxParts {
		return pointer{}, fmt.Errorf("unusable pointer %+v", p)
	}
	return p, nil
}

// load fills an empty index from the bucket. Any error means: build it anew.
func (x *index) load(ctx context.Context, kv jetstream.KeyValue, ledger time.Time, lastSeq uint64) error {
	p, err := readPointer(ctx, kv)
	if err != nil {
		return err
	}
	var all []byte
	for n := range p.Parts {
		entry, err := kv.Get(ctx, partKey(p.Set, n))
		if err != nil {
			return fmt.Errorf("part %d: %w", n, err)
		}
		all = append(all, entry.Value()...)
	}
	return x.decode(all, ledger, lastSeq)
}
