package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// errNothing: there is no such thing to spoil in this store.
var errNothing = errors.New("nothing to spoil")

// copyTree copies a folder. Files that vanish meanwhile are left out: so a
// backup looks that was taken of a running server.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		at := filepath.Join(to, strings.TrimPrefix(path, from))
		if d.IsDir() {
			return os.MkdirAll(at, 0o700)
		}
		body, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(at, body, 0o600)
	})
}

// replace puts a copy in the place of a folder.
func replace(dir, with string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if _, err := os.Stat(with); errors.Is(err, fs.ErrNotExist) {
		return nil // there was no such stream yet
	}
	return copyTree(with, dir)
}

// files are those of a stream whose names match, in order.
func (s *store) files(pattern ...string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(append([]string{s.streams()}, pattern...)...))
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%w: no %s", errNothing, filepath.Join(pattern...))
	}
	slices.Sort(found)
	return found, err
}

// blocks are the blocks of a stream that hold anything, oldest first.
func (s *store) blocks(stream string) ([]string, error) {
	all, err := s.files(stream, "msgs", "*.blk")
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(path string) bool { return size(path) == 0 })
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: %s is empty", errNothing, stream)
	}
	slices.SortFunc(all, func(a, b string) int { return number(a) - number(b) })
	return all, nil
}

func number(block string) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(filepath.Base(block), ".blk")) // another name is no block's
	return n
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// flip turns one bit of a file round.
func flip(random *rand.Rand, path string) (string, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if len(body) == 0 {
		return "", fmt.Errorf("%w: %s is empty", errNothing, filepath.Base(path))
	}
	at, bit := random.IntN(len(body)), random.IntN(8)
	body[at] ^= 1 << bit
	return fmt.Sprintf("bit %d of byte %d of %d of %s", bit, at, len(body), tail(path)), os.WriteFile(path, body, 0o600)
}

// tail is the part of a path that tells something.
func tail(path string) string {
	_, after, found := strings.Cut(path, string(filepath.Separator)+"streams"+string(filepath.Separator))
	if !found {
		return filepath.Base(path)
	}
	return after
}

// cut takes bytes off the newest block of a stream.
func (s *store) cut(random *rand.Rand, stream string) (string, error) {
	blocks, err := s.blocks(stream)
	if err != nil {
		return "", err
	}
	newest := blocks[len(blocks)-1]
	n := 1 + random.Int64N(size(newest))
	if random.IntN(3) == 0 {
		n = 1 + random.Int64N(min(100, size(newest))) // within the last record
	}
	return fmt.Sprintf("%d of %d bytes cut off %s", n, size(newest), tail(newest)), os.Truncate(newest, size(newest)-n)
}

// drop removes a file or a folder.
func drop(path string) (string, error) { return tail(path) + " removed", os.RemoveAll(path) }

// any picks one.
func pick(random *rand.Rand, all []string) string { return all[random.IntN(len(all))] }
