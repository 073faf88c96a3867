package procs

import (
	"bytes"
	"os"
	"sync"
)

// Output keeps what a process prints, over all its lives, in a file, and hands
// every whole line to whoever watches.
type Output struct {
	mu      sync.Mutex
	file    *os.File
	partial []byte
	cut     bool // the last byte was not the end of a line
	watch   func(line []byte)
}

// NewOutput makes the file. watch may be nil; it must be quick.
func NewOutput(path string, watch func(line []byte)) (*Output, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &Output{file: file, watch: watch}, nil
}

// fresh begins a new line where the life before was cut off within one: the
// first line of the next life must not be glued to it.
func (o *Output) fresh() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cut {
		_, _ = o.file.WriteString("\n") // a full disk shows at the next line
	}
	o.partial, o.cut = nil, false
}

// Write takes a part of the output.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n, err := o.file.Write(p); err != nil {
		return n, err
	}
	o.cut = len(p) > 0 && p[len(p)-1] != '\n'
	if o.watch == nil {
		return len(p), nil
	}
	o.partial = append(o.partial, p...)
	for {
		line, rest, whole := bytes.Cut(o.partial, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		o.watch(line)
		o.partial = bytes.Clone(rest)
	}
}

// Text returns everything printed so far.
func (o *Output) Text() (string, error) {
	text, err := os.ReadFile(o.file.Name())
	return string(text), err
}

// Close closes the file.
func (o *Output) Close() error { return o.file.Close() }
