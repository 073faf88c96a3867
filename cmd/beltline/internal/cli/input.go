package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/beltline-io/beltline/pkg/messages"
)

// maxInput bounds what is read at once: the whole of it is kept until every
// order has its result.
const maxInput = 256 << 20

// badLine is a line that is not an order at all.
type badLine struct {
	line int
	why  string
}

// readInput reads a file, or standard input for "-".
func (s *session) readInput(name string) ([]byte, error) {
	in := s.Stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	body, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxInput:
		return nil, fmt.Errorf("more than %d MiB; split it", maxInput>>20)
	}
	return body, nil
}

// parse finds the orders of an input: one JSON object, over as many lines as it
// likes, or one a line. Whether they are good orders is not decided here: the
// pipeline does that, and names every fault.
func parse(input []byte) (orders []*submission, bad []badLine, err error) {
	whole := bytes.TrimSpace(bytes.TrimPrefix(input, []byte("\xef\xbb\xbf")))
	switch {
	case len(whole) == 0:
		return nil, nil, errors.New("there is no order in it")
	case whole[0] == '[':
		return nil, nil, errors.New("a JSON array is not taken: give one order, or one a line")
	case json.Valid(whole):
		if whole[0] != '{' {
			return nil, []badLine{{1, "not a JSON object"}}, nil
		}
		return []*submission{newSubmission(1, whole)}, nil, nil
	}
	number := 0
	for line := range bytes.Lines(input) {
		number++
		line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")))
		switch {
		case len(line) == 0:
		case !json.Valid(line):
			bad = append(bad, badLine{number, "not JSON: " + syntax(line)})
		case line[0] != '{':
			bad = append(bad, badLine{number, "not a JSON object"})
		default:
			orders = append(orders, newSubmission(number, line))
		}
	}
	return orders, bad, nil
}

// syntax says what is wrong, without repeating the line: it may be long.
func syntax(line []byte) string {
	var v any
	if err := json.Unmarshal(line, &v); err != nil {
		return err.Error()
	}
	return "it cannot be read"
}

func newSubmission(line int, body []byte) *submission {
	var head struct {
		ID any `json:"id"`
	}
	o := &submission{line: line, body: body}
	// A body whose id cannot be read is sent all the same: it becomes a dead
	// letter with the pipeline's own words, which is reported.
	if json.Unmarshal(body, &head) == nil {
		if id, ok := head.ID.(string); ok && messages.ValidToken(id) {
			o.id = id
		}
	}
	return o
}
