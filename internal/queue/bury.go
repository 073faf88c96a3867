package queue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/pkg/messages"
)

// maxHeaderText bounds what texts of others may put into a header.
const maxHeaderText = 512

// roomForFrame is what a message needs beside headers and body to pass.
const roomForFrame = 64

// Bury stores a dead letter: the body as it was, and why it is dead. origin is
// [messages.Origin] of the message; orderID may be empty. It returns [ErrFull]
// at once when there is no room, since only an operator can make some.
//
// A body that fits into a message only without our headers is cut, and its
// length recorded in [messages.HeaderTruncated]: upstream may publish up to the
// server's max_payload, and a message that could not be buried would come back
// for ever.
func (q *Queue) Bury(ctx context.Context, subject string, body []byte, reason messages.Reason, cause, origin, orderID string) error {
	if !deadLetterSubject(subject) {
		return fmt.Errorf("queue: bury: %w: subject %q", ErrInvalid, subject)
	}
	m := nats.NewMsg(subject)
	m.Data = body
	m.Header.Set(messages.HeaderReason, headerText(string(reason)))
	m.Header.Set(messages.HeaderError, headerText(cause))
	m.Header.Set(messages.HeaderOrigin, headerText(origin))
	if messages.ValidToken(orderID) {
		m.Header.Set(messages.HeaderOrderID, orderID)
	}
	if origin != "" {
		m.Header.Set(jetstream.MsgIDHeader, deadLetterID(subject, reason, origin, body))
	}
	cut(m, int(q.js.Conn().MaxPayload()))
	failpoint.Hit("queue.bury.before")
	err := q.publish(ctx, m, func(err error) bool { return permanent(err) || full(err) })
	failpoint.Hit("queue.bury.after")
	if full(err) {
		err = fmt.Errorf("%w: %w", ErrFull, err)
	}
	if err != nil {
		return fmt.Errorf("queue: bury %s: %w", origin, err)
	}
	return nil
}

func full(err error) bool {
	api := apiError(err)
	return api != nil && api.ErrorCode == codeStoreFailed
}

// deadLetterID is the same for the same dead letter, so that a repeated Bury
// leaves one. Unlike a command, a dead letter that is taken for a duplicate
// has really been stored: the id is made of all its content.
func deadLetterID(subject string, reason messages.Reason, origin string, body []byte) string {
	h := sha256.New()
	for _, part := range []string{subject, string(reason), origin} {
		_, _ = io.WriteString(h, part+"\x00")
	}
	_, _ = h.Write(body)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func deadLetterSubject(subject string) bool {
	parts := strings.Split(subject, ".")
	if len(parts) != 3 || parts[0] != "dlq" {
		return false
	}
	switch parts[1] {
	case "orders", "commands", "hooks":
		return messages.ValidToken(parts[2])
	default:
		return false
	}
}

// headerText makes one short line of a text. A line break in it would end the
// header and begin another one of the author's choice.
func headerText(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > maxHeaderText {
		s = s[:maxHeaderText]
		for !utf8.ValidString(s) { // cut inside a character
			s = s[:len(s)-1]
		}
	}
	return strings.TrimSpace(s)
}

// cut shortens the body until the message fits into limit.
func cut(m *nats.Msg, limit int) {
	if limit <= 0 || m.Size() <= limit {
		return
	}
	m.Header.Set(messages.HeaderTruncated, strconv.Itoa(len(m.Data)))
	over := m.Size() + roomForFrame - limit
	m.Data = m.Data[:max(0, len(m.Data)-over)]
}
