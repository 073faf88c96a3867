package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/beltline-io/beltline/cmd/beltline/internal/deadletters"
	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/internal/app"
)

// dlqShowCommand is `dlq show`.
type dlqShowCommand struct {
	output
	Seq uint64 `arg:"" name:"seq" help:"The letter's number, as dlq list shows it."`
}

// Help is shown below the flags.
func (*dlqShowCommand) Help() string {
	return "Shows everything that was kept. What others have written is shown so that it cannot speak to the terminal: signs that " +
		"are not to be seen appear as their codes. With --output json the body is in it to the letter.\n\n" +
		"Exit codes: 0 shown, 1 not reached, 2 wrong usage, 3 no such letter.\n\n" +
		"Example:\n\n  beltline dlq show 17"
}

func (c *dlqShowCommand) sort(ctx context.Context, s *session, box *deadletters.Box) int {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	l, err := box.Get(ctx, c.Seq)
	if err != nil {
		return s.noLetter(err)
	}
	if c.json() {
		if err := s.tellJSON(letterOf(l).whole(l)); err != nil {
			return s.failed(err)
		}
		return app.ExitOK
	}
	goes := "`beltline dlq replay " + strconv.FormatUint(l.Seq, 10) + "` sends it to "
	if way, err := box.Way(ctx, l); err == nil {
		goes += way.Subject
	} else {
		goes = err.Error()
	}
	t := s.look.Table("dead letter", strconv.FormatUint(l.Seq, 10)).Wrap(map[int]int{2: 90})
	for _, row := range [][2]string{
		{"since", plain.Moment(l.Time)}, {"reason", string(l.Reason)}, {"error", l.Error}, {"came from", l.Origin.String()},
		{"lies on", l.Subject}, {"tenant", l.Tenant()}, {"provider", string(l.Provider())}, {"order", l.OrderID},
		{"body", fmt.Sprintf("%d bytes", l.Size)}, {"cut from", cutFrom(l)}, {"back", goes},
	} {
		if row[1] != "" {
			t.Row(row[0], deadletters.Escape(row[1]))
		}
	}
	t.Write(s.Stdout)
	for _, name := range slices.Sorted(maps.Keys(l.Header)) {
		for _, value := range l.Header[name] {
			s.tell("%s: %s", deadletters.Escape(name), deadletters.Escape(value))
		}
	}
	s.tell("\n%s", readable(l.Body))
	return app.ExitOK
}

func cutFrom(l *deadletters.Letter) string {
	if l.CutFrom == 0 {
		return ""
	}
	return fmt.Sprintf("%d bytes: it was too long to be kept whole", l.CutFrom)
}

// readable is a body for people: JSON over several lines, and everything else
// line by line.
func readable(body []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, body, "", "  ") == nil {
		return string(deadletters.Plain(b.Bytes()))
	}
	lines := strings.Split(string(body), "\n")
	for i, line := range lines {
		lines[i] = deadletters.Escape(line)
	}
	return strings.Join(lines, "\n")
}

// noLetter is failed, with the code for what does not exist.
func (s *session) noLetter(err error) int {
	if errors.Is(err, deadletters.ErrNotFound) {
		s.say("beltline: %s", err)
		return exitNotFound
	}
	return s.failed(err)
}
