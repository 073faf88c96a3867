package forget

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Export is the file that forgotten orders are kept in: a line of JSON for each,
// {"sha256":"…","record":{…}}, the sum over the bytes of the record as they stand
// there. Only its owner may read it.
type Export struct {
	file   *os.File
	w      *bufio.Writer
	synced bool // the folder, too
}

// Record is an order in an export.
type Record struct {
	V       int           `json:"v"`
	Tenant  string        `json:"tenant"`
	OrderID string        `json:"order_id"`
	Events  []RecordEvent `json:"events"`
}

// RecordEvent is an event as it stood in the ledger.
type RecordEvent struct {
	Seq    uint64          `json:"seq"`
	Stored time.Time       `json:"stored"`
	Event  json.RawMessage `json:"event"`
}

// CreateExport makes the file. One that exists is never written over or added
// to: it may be all that is left of an earlier run's orders.
func CreateExport(path string) (*Export, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // where the operator wants it
	if err != nil {
		return nil, fmt.Errorf("forget: export: %w", err)
	}
	return &Export{file: f, w: bufio.NewWriter(f)}, nil
}

// Write adds an order. It is safe only after Sync.
func (x *Export) Write(tenant, id string, history []ledger.Entry) error {
	r := Record{V: messages.Version, Tenant: tenant, OrderID: id}
	for i := range history {
		body, err := history[i].Event.MarshalJSON()
		if err != nil {
			return err
		}
		r.Events = append(r.Events, RecordEvent{Seq: history[i].Seq, Stored: history[i].Stored, Event: body})
	}
	var record bytes.Buffer
	enc := json.NewEncoder(&record)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return err
	}
	body := bytes.TrimSuffix(record.Bytes(), []byte("\n"))
	sum := sha256.Sum256(body)
	if _, err := fmt.Fprintf(x.w, "{\"sha256\":%q,\"record\":%s}\n", hex.EncodeToString(sum[:]), body); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// Sync returns when everything that was written is on the disk, and so is the
// file's name.
func (x *Export) Sync() error {
	if err := x.w.Flush(); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if err := x.file.Sync(); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if x.synced {
		return nil
	}
	dir, err := os.Open(filepath.Dir(x.file.Name()))
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer func() { _ = dir.Close() }()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	x.synced = true
	return nil
}

// Close closes the file. What was not synced belongs to no forgotten order.
func (x *Export) Close() error { return errors.Join(x.w.Flush(), x.file.Close()) }

// ErrDamaged is returned by [ReadExport] for a line that is not what was written.
var ErrDamaged = errors.New("the line is damaged")

// ReadExport tells of all orders of an export, and checks each line's sum. A
// last line that was cut short is damaged too; its order was not forgotten.
func ReadExport(r io.Reader, next func(Record) error) error {
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		var outer struct {
			Sum    string          `json:"sha256"`
			Record json.RawMessage `json:"record"`
		}
		if err := json.Unmarshal(line, &outer); err != nil {
			return fmt.Errorf("line %d: %w: %w", n, ErrDamaged, err)
		}
		if sum := sha256.Sum256(outer.Record); hex.EncodeToString(sum[:]) != outer.Sum {
			return fmt.Errorf("line %d: %w: its sum is another", n, ErrDamaged)
		}
		var record Record
		if err := json.Unmarshal(outer.Record, &record); err != nil {
			return fmt.Errorf("line %d: %w: %w", n, ErrDamaged, err)
		}
		if err := next(record); err != nil {
			return err
		}
	}
}
