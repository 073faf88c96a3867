package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/messages"
)

// seedPerm lets nobody but the owner read a seed: it opens all that was ever
// sealed with its public half.
const seedPerm = 0o600

// maxSeedFile is far more than a seed has.
const maxSeedFile = 4 << 10

// unsealCommand is `unseal`.
type unsealCommand struct {
	Key  string `name:"key" placeholder:"PATH" help:"File with the seed (SX…) whose public half the order had in seal_to; required."`
	File string `arg:"" optional:"" default:"-" name:"file" help:"An event, or its deliverable, as JSON; - is standard input."`
}

// Help is shown below the flags.
func (*unsealCommand) Help() string {
	return "Prints the deliverable to the letter, as an order without seal_to would have had it. It needs no server.\n\n" +
		"Exit codes: 0 opened, 1 not opened, 2 wrong usage.\n\n" +
		"Example:\n\n  beltline order get ord-2026-000123 --tenant acme --output json | beltline unseal --key seal.key"
}

// Check applies the rules of the command.
func (c *unsealCommand) Check(f *app.Faults) { keyFile(f, c.Key) }

func keyFile(f *app.Faults, name string) {
	if name == "" {
		f.Add("--key", "is required: the file with the seed")
	}
}

func (c *unsealCommand) run(_ context.Context, s *session) int {
	seed, err := s.readSeed(c.Key)
	if err != nil {
		return s.failed(err)
	}
	body, err := s.readInput(c.File)
	if err != nil {
		return s.failed(err)
	}
	opened, err := unseal(body, seed)
	if err != nil {
		return s.failed(err)
	}
	s.tell("%s", opened)
	return app.ExitOK
}

// readSeed reads a seed and warns of a file that others can read.
func (s *session) readSeed(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		s.say("beltline: others may read %s (%04o): whoever has it can open all that is sealed with it; `chmod 600` it", name, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(file, maxSeedFile))
	if err != nil {
		return nil, err
	}
	seed := bytes.TrimSpace(text)
	if _, err := messages.SealToOf(seed); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return seed, nil
}

// unseal opens the deliverable of an event, or one by itself.
func unseal(body, seed []byte) ([]byte, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	var members map[string]json.RawMessage
	switch {
	case len(body) == 0:
		return nil, errors.New("there is nothing to open: give an event, or its deliverable")
	case json.Unmarshal(body, &members) != nil:
		return nil, errors.New("not one JSON object: give one event, or its deliverable")
	}
	if _, whole := members["deliverable"]; !whole {
		return open(body, seed)
	}
	e, err := messages.DecodeEvent(body)
	switch {
	case err != nil:
		return nil, err
	case e.Deliverable == nil:
		return nil, fmt.Errorf("order %s is %s: it has no deliverable", e.OrderID, e.State)
	}
	var order struct {
		SealTo string `json:"seal_to"`
	}
	ours, err := messages.SealToOf(seed)
	if err != nil {
		return nil, err
	}
	if json.Unmarshal(e.Order, &order) == nil && order.SealTo != "" && order.SealTo != ours {
		return nil, fmt.Errorf("order %s is sealed to %s, and this is the key of %s", e.OrderID, order.SealTo, ours)
	}
	return open(e.Deliverable, seed)
}

func open(deliverable, seed []byte) ([]byte, error) {
	opened, err := messages.Unseal(deliverable, seed)
	if errors.Is(err, messages.ErrNotSealed) {
		return nil, fmt.Errorf("%w: it can be read as it is", err)
	}
	return opened, err
}

// sealKeyCommand holds what is done with the keys of seals.
type sealKeyCommand struct {
	New  newSealKeyCommand  `cmd:"" help:"Make a key: the seed goes into a new file, its public half is printed."`
	Show showSealKeyCommand `cmd:"" help:"Print the public half of a key."`
}

// newSealKeyCommand is `seal-key new`.
type newSealKeyCommand struct {
	Key string `name:"key" placeholder:"PATH" help:"File to write the seed to; it must not exist yet. Required."`
}

// Help is shown below the flags.
func (*newSealKeyCommand) Help() string {
	return "What is printed goes into the seal_to of orders. The file (mode 0600) opens what they bring, and nothing else does: " +
		"keep a copy where goods codes may be kept.\n\n" +
		"Exit codes: 0 made, 1 not made, 2 wrong usage.\n\nExample:\n\n  beltline seal-key new --key seal.key"
}

// Check applies the rules of the command.
func (c *newSealKeyCommand) Check(f *app.Faults) { keyFile(f, c.Key) }

func (c *newSealKeyCommand) run(_ context.Context, s *session) int {
	seed, sealTo, err := messages.NewSealKey()
	if err == nil {
		err = writeSeed(c.Key, seed)
	}
	if err != nil {
		return s.failed(err)
	}
	s.tell("%s", sealTo)
	return app.ExitOK
}

// writeSeed writes a seed to a file of its own. One that is there already is
// never written over: with it went all that was sealed.
func writeSeed(name string, seed []byte) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, seedPerm)
	if err != nil {
		return err
	}
	_, err = file.Write(append(seed, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(name)) // half a seed opens nothing
	}
	return nil
}

// showSealKeyCommand is `seal-key show`.
type showSealKeyCommand struct {
	Key string `name:"key" placeholder:"PATH" help:"File with the seed; required."`
}

// Help is shown below the flags.
func (*showSealKeyCommand) Help() string {
	return "Exit codes: 0 printed, 1 not a key, 2 wrong usage.\n\nExample:\n\n  beltline seal-key show --key seal.key"
}

// Check applies the rules of the command.
func (c *showSealKeyCommand) Check(f *app.Faults) { keyFile(f, c.Key) }

func (c *showSealKeyCommand) run(_ context.Context, s *session) int {
	seed, err := s.readSeed(c.Key)
	if err != nil {
		return s.failed(err)
	}
	sealTo, err := messages.SealToOf(seed)
	if err != nil {
		return s.failed(err)
	}
	s.tell("%s", sealTo)
	return app.ExitOK
}
