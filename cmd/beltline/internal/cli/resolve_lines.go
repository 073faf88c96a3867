package cli

import (
	"bufio"
	"context"
	"io"
	"strings"
)

// lineReader reads what a person types. Reading cannot be stopped, so it is
// done beside: who gives up waiting leaves it behind, with the process.
type lineReader struct {
	in *bufio.Reader
}

func newLineReader(in io.Reader) *lineReader { return &lineReader{bufio.NewReader(in)} }

// next is the next line, without the space around it. The end of the input is
// an error, unless it ends a line.
func (l *lineReader) next(ctx context.Context) (string, error) {
	type typed struct {
		text string
		err  error
	}
	got := make(chan typed, 1)
	go func() {
		text, err := l.in.ReadString('\n')
		if text = strings.TrimSpace(text); text != "" {
			err = nil
		}
		got <- typed{text, err}
	}()
	select {
	case t := <-got:
		return t.text, t.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
