package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/beltline-io/beltline/cmd/beltline/internal/deadletters"
	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/internal/app"
)

// dlqListCommand is `dlq list`.
type dlqListCommand struct {
	letterFilter
	output
	Limit int `name:"limit" default:"100" help:"How many at most; 0 for all."`
}

// Help is shown below the flags.
func (*dlqListCommand) Help() string {
	return "Dead letters are what could not be processed: requests of upstream that are no acceptable order, commands that no worker " +
		"could carry out, callbacks that fit no order. They are kept for 30 days, the oldest are listed first.\n\n" +
		"Exit codes: 0 listed, also where there are none; 1 not reached; 2 wrong usage.\n\n" +
		"Examples:\n\n  beltline dlq list --tenant acme --reason order_conflict --since 24h\n" +
		"  beltline dlq list --provider skinsback --limit 0 -o json | jq -r .seq"
}

// Check applies the rules of the command.
func (c *dlqListCommand) Check(f *app.Faults) {
	c.letterFilter.Check(f)
	if c.Limit < 0 {
		f.Add("--limit", "must not be negative")
	}
}

func (c *dlqListCommand) sort(ctx context.Context, s *session, box *deadletters.Box) int {
	p := &progress{s: s}
	all, more, err := box.Collect(ctx, c.filter(), c.Limit, func(found int, left uint64) {
		p.tell("%d found, %d to look at", found, left)
	})
	p.end()
	if err != nil {
		return s.stopped(ctx, err)
	}
	t := s.letterTable()
	for i := range all {
		if !c.json() {
			t.add(&all[i])
			continue
		}
		if err := s.tellLetter(&all[i]); err != nil {
			return s.failed(err)
		}
	}
	if !c.json() && len(all) > 0 {
		t.Write(s.Stdout)
	}
	switch {
	case len(all) == 0:
		s.say("no dead letters")
	case more > 0:
		s.say("%d dead letters; up to %d more were not looked at: a greater --limit, or 0", len(all), more)
	default:
		s.say("%d dead letters", len(all))
	}
	return app.ExitOK
}

// stopped is failed, but for a command that was told to end.
func (s *session) stopped(ctx context.Context, err error) int {
	if ctx.Err() != nil {
		s.say("beltline: stopped before it was done")
		return app.ExitSignal
	}
	return s.failed(err)
}

type letterTable struct{ *plain.Table }

func (s *session) letterTable() letterTable {
	return letterTable{s.look.Table("seq", "time", "was", "reason", "order", "error").Wrap(map[int]int{6: 70})}
}

func (t letterTable) add(l *deadletters.Letter) {
	was := l.Origin.Subject
	if was == "" {
		was = l.Subject
	}
	t.Row(strconv.FormatUint(l.Seq, 10), plain.Moment(l.Time), deadletters.Escape(was), deadletters.Escape(string(l.Reason)),
		deadletters.Escape(l.OrderID), deadletters.Escape(l.Error))
}

// letterJSON is a dead letter for programs.
type letterJSON struct {
	Seq      uint64    `json:"seq"`
	Time     time.Time `json:"time"`
	Subject  string    `json:"subject"`
	Kind     string    `json:"kind"`
	Reason   string    `json:"reason"`
	Error    string    `json:"error"`
	Origin   string    `json:"origin"`
	Tenant   string    `json:"tenant,omitempty"`
	Provider string    `json:"provider,omitempty"`
	OrderID  string    `json:"order_id,omitempty"`
	Size     int       `json:"size"`
	CutFrom  int       `json:"cut_from,omitempty"`

	Headers map[string][]string `json:"headers,omitempty"`
	Body    *string             `json:"body,omitempty"`
	Bytes   []byte              `json:"body_base64,omitempty"` // where it is no text
}

func letterOf(l *deadletters.Letter) letterJSON {
	return letterJSON{
		Seq: l.Seq, Time: l.Time, Subject: l.Subject, Kind: string(l.Kind), Reason: string(l.Reason), Error: l.Error,
		Origin: l.Origin.String(), Tenant: l.Tenant(), Provider: string(l.Provider()), OrderID: l.OrderID, Size: l.Size, CutFrom: l.CutFrom,
	}
}

// whole adds what only a letter has that was read whole.
func (j letterJSON) whole(l *deadletters.Letter) letterJSON {
	j.Headers = l.Header
	if text := string(l.Body); utf8.ValidString(text) {
		j.Body = &text
	} else {
		j.Bytes = l.Body
	}
	return j
}

func (s *session) tellLetter(l *deadletters.Letter) error { return s.tellJSON(letterOf(l)) }

// tellJSON writes a value as one line that cannot speak to a terminal.
func (s *session) tellJSON(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("cannot be written: %w", err)
	}
	s.tell("%s", deadletters.Plain(body))
	return nil
}
