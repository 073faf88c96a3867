package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// fault is one way to spoil a store.
type fault struct {
	name string
	// older are the streams that are put back as they were in a copy; everything
	// where whole.
	older []string
	whole bool
	// down spoils what lies on the disk while the server does not run. up is done
	// to a server that runs, and stays so.
	down func(t *trial) (string, error)
	up   func(ctx context.Context, t *trial) (string, error)
	// begin is done before the first order.
	begin func(t *trial) error
	// stop: the server ends in order, because only then is there what is spoilt.
	stop bool
	// orders: what upstream has handed in may be gone.
	orders bool
	// skip says why it cannot be done here; empty where it can.
	skip func() string
}

const bucketStream = "KV_" + messages.Bucket

// permitStreams are those of all providers.
func permitStreams() (all []string) {
	for p := range topology.Default().Providers {
		all = append(all, p.PermitStream())
	}
	return all
}

// faults lists all, in a fixed order: a trial's seed picks by number.
func faults() []fault {
	var all []fault
	all = append(all, fault{name: "none, only the restart", down: func(*trial) (string, error) { return "", nil }})
	all = append(all, rollbacks()...)
	all = append(all, cuts()...)
	all = append(all, flips()...)
	all = append(all, removals()...)
	all = append(all, fullness()...)
	return append(all, remade()...)
}

func rollbacks() []fault {
	of := func(name string, orders bool, streams ...string) fault {
		return fault{name: "rolled back: " + name, older: streams, orders: orders}
	}
	return []fault{
		{name: "rolled back: everything", whole: true, orders: true},
		{name: "rolled back: everything, to a copy of a running server", whole: true, orders: true},
		of("EVENTS", true, messages.StreamEvents),
		of("EVENTS and COMMANDS", true, messages.StreamEvents, messages.StreamCommands),
		of("EVENTS, COMMANDS and bucket", true, messages.StreamEvents, messages.StreamCommands, bucketStream),
		of("COMMANDS", false, messages.StreamCommands),
		of("ORDERS", true, messages.StreamOrders),
		of("bucket", false, bucketStream),
		of("bucket and COMMANDS", false, bucketStream, messages.StreamCommands),
		of("PERMITS", false, permitStreams()...),
	}
}

// withIndex removes the index of a stream besides, by chance: without it the
// server reads all blocks, with it only some.
func withIndex(t *trial, stream string, spoil func() (string, error)) (string, error) {
	what, err := spoil()
	if err == nil && t.random.IntN(2) == 0 {
		what += ", no index"
		err = os.RemoveAll(filepath.Join(t.store.streams(), stream, "msgs", "index.db"))
	}
	return what, err
}

func cuts() []fault {
	of := func(stream string, orders bool) fault {
		return fault{name: "end cut off: " + label(stream), orders: orders, down: func(t *trial) (string, error) {
			return withIndex(t, stream, func() (string, error) { return t.store.cut(t.random, stream) })
		}}
	}
	block := func(stream string, orders bool) fault {
		return fault{name: "newest block removed: " + label(stream), orders: orders, down: func(t *trial) (string, error) {
			return withIndex(t, stream, func() (string, error) {
				all, err := t.store.blocks(stream)
				if err != nil {
					return "", err
				}
				return drop(all[len(all)-1])
			})
		}}
	}
	return []fault{
		of(messages.StreamEvents, true), of(messages.StreamCommands, false), of(messages.StreamOrders, true), of(bucketStream, false),
		block(messages.StreamEvents, true), block(messages.StreamCommands, false), block(messages.StreamOrders, true),
		{name: "older block removed: EVENTS", orders: true, down: func(t *trial) (string, error) {
			return withIndex(t, messages.StreamEvents, func() (string, error) {
				all, err := t.store.blocks(messages.StreamEvents)
				if err != nil || len(all) < 2 {
					return "", fmt.Errorf("%w: one block: %w", errNothing, err)
				}
				return drop(pick(t.random, all[:len(all)-1]))
			})
		}},
	}
}

func flips() []fault {
	blocks := func(stream string, orders bool) fault {
		return fault{name: "bit flipped in a block: " + label(stream), orders: orders, down: func(t *trial) (string, error) {
			return withIndex(t, stream, func() (string, error) {
				all, err := t.store.blocks(stream)
				if err != nil {
					return "", err
				}
				return flip(t.random, pick(t.random, all))
			})
		}}
	}
	one := func(name string, orders bool, pattern ...string) fault {
		return fault{name: "bit flipped in " + name, orders: orders, down: func(t *trial) (string, error) {
			all, err := t.store.files(pattern...)
			if err != nil {
				return "", err
			}
			return flip(t.random, pick(t.random, all))
		}}
	}
	return []fault{
		blocks(messages.StreamEvents, true), blocks(messages.StreamCommands, false), blocks(messages.StreamOrders, true), blocks(bucketStream, false),
		stopped(one("index.db: EVENTS", true, messages.StreamEvents, "msgs", "index.db")),
		stopped(one("index.db: COMMANDS", false, messages.StreamCommands, "msgs", "index.db")),
		one("meta.inf: EVENTS", true, messages.StreamEvents, "meta.inf"),
		one("meta.sum: EVENTS", true, messages.StreamEvents, "meta.sum"),
		one("meta.*: COMMANDS", false, messages.StreamCommands, "meta.*"),
		one("meta.*: ORDERS", true, messages.StreamOrders, "meta.*"),
		one("meta.*: bucket", false, bucketStream, "meta.*"),
		one("a consumer's state: COMMANDS", false, messages.StreamCommands, "obs", "*", "o.dat"),
		one("a consumer's state: ORDERS", false, messages.StreamOrders, "obs", "*", "o.dat"),
		one("a consumer's meta.*: COMMANDS", false, messages.StreamCommands, "obs", "*", "meta.*"),
	}
}

func removals() []fault {
	one := func(name string, orders bool, pattern ...string) fault {
		return fault{name: "removed: " + name, orders: orders, down: func(t *trial) (string, error) {
			all, err := t.store.files(pattern...)
			if err != nil {
				return "", err
			}
			return drop(pick(t.random, all))
		}}
	}
	return []fault{
		stopped(one("index.db: EVENTS", false, messages.StreamEvents, "msgs", "index.db")),
		stopped(one("index.db: COMMANDS", false, messages.StreamCommands, "msgs", "index.db")),
		one("a consumer: COMMANDS", false, messages.StreamCommands, "obs", "*"),
		one("the consumer: ORDERS", false, messages.StreamOrders, "obs", "*"),
		one("a stream's folder: PERMITS", false, "PERMITS_*"),
		{name: "a block that cannot be read: EVENTS", orders: true, skip: root, down: func(t *trial) (string, error) {
			all, err := t.store.blocks(messages.StreamEvents)
			if err != nil {
				return "", err
			}
			block := pick(t.random, all)
			return tail(block) + " may not be read", os.Chmod(block, 0)
		}},
	}
}

// stopped is the fault where the server has ended in order.
func stopped(f fault) fault {
	f.stop = true
	return f
}

// root says why permissions mean nothing here.
func root() string {
	if os.Geteuid() == 0 {
		return "root may read everything"
	}
	return ""
}

// label is the name of a stream for people.
func label(stream string) string {
	if stream == bucketStream {
		return "bucket"
	}
	name, _, _ := strings.Cut(stream, "_")
	return name
}
