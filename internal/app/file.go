package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFileBytes bounds what is read of a configuration or secret file: a wrong
// path, such as a log, must not fill the memory.
const maxFileBytes = 1 << 20

// fileValue is one setting of the configuration file.
type fileValue struct {
	text string
	line int
	key  string // as written
}

// readFile reads the settings of a configuration file, by variable name. Keys
// may be written in any case, with - or _, and nested: `nats: {url: …}` is
// NATS_URL. What is wrong is noted in faults, without the text of the file: a
// value may be a secret.
func readFile(path string, faults *Faults) map[string]fileValue {
	body, err := readLimited(path)
	if err != nil {
		faults.Add("--config", "cannot be read: %s", cause(err))
		return nil
	}
	var root yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(body))
	switch err := dec.Decode(&root); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		faults.Add("--config", "is not YAML%s", yamlLine(err))
		return nil
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		faults.Add("--config", "holds more than one document")
	}
	values := make(map[string]fileValue)
	flatten(root.Content[0], "", values, faults)
	return values
}

// flatten takes a mapping apart into settings.
func flatten(node *yaml.Node, prefix string, into map[string]fileValue, faults *Faults) {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" && prefix == "" {
		return // a file of comments only
	}
	if node.Kind != yaml.MappingNode {
		faults.Add("--config", "line %d: must be a mapping of names to values", node.Line)
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name := prefix + strings.ToUpper(strings.ReplaceAll(key.Value, "-", "_"))
		switch {
		case key.Kind != yaml.ScalarNode || key.Tag == "!!merge":
			faults.Add("--config", "line %d: keys must be plain names", key.Line)
		case value.Kind == yaml.MappingNode:
			flatten(value, name+"_", into, faults)
		case value.Kind != yaml.ScalarNode:
			faults.Add(name, "line %d of the file: must be a single value", value.Line)
		case value.Tag == "!!null":
			// Not set: what a template leaves behind.
		default:
			if earlier, twice := into[name]; twice {
				faults.Add(name, "is set twice in the file, in line %d and line %d", earlier.line, key.Line)
			}
			into[name] = fileValue{text: value.Value, line: key.Line, key: key.Value}
		}
	}
}

// readLimited reads a file of at most maxFileBytes.
func readLimited(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	body, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err == nil && len(body) > maxFileBytes {
		err = fmt.Errorf("longer than %d bytes", maxFileBytes)
	}
	return body, err
}

// cause strips the path from an error of the file system. A secret that was put
// where its file's path belongs would be shown by it.
func cause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

var lineNumber = regexp.MustCompile(`line \d+`)

// yamlLine keeps the line number of a syntax error and drops its words, which
// may quote the file: an unquoted password that starts with * is an "unknown anchor".
func yamlLine(err error) string {
	if line := lineNumber.FindString(err.Error()); line != "" {
		return ": " + line
	}
	return ""
}
