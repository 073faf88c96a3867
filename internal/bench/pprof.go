package bench

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Share is a package's part of a profile.
type Share struct {
	Package    string  `json:"package"`
	Flat       float64 `json:"flat"`       // spent in it
	Cumulative float64 `json:"cumulative"` // spent in it and in what it called
}

// profile is what of a pprof file is needed: its samples, and the functions of
// each place in the code. (The format is profile.proto of github.com/google/pprof.)
type profile struct {
	texts     []string
	types     [][2]uint64 // of each value of a sample: name and unit, as numbers of texts
	samples   []sample
	locations map[uint64][]uint64 // functions, the inlined ones first
	functions map[uint64]uint64   // their names
}

type sample struct {
	locations []uint64 // where it was first, and its callers after it
	values    []uint64
}

// field is a field of a message: either a number or bytes.
type field struct {
	number protowire.Number
	value  uint64
	bytes  []byte
}

var errProfile = errors.New("this is not a profile")

// fields takes a message apart.
func fields(b []byte, each func(field) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errProfile
		}
		b = b[n:]
		f := field{number: number}
		switch kind {
		case protowire.VarintType:
			f.value, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return errProfile
		}
		b = b[n:]
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

// numbers reads a repeated number, which is packed or not.
func (f field) numbers(to []uint64) ([]uint64, error) {
	if f.bytes == nil {
		return append(to, f.value), nil
	}
	for b := f.bytes; len(b) > 0; {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return nil, errProfile
		}
		to, b = append(to, v), b[n:]
	}
	return to, nil
}

// readProfile reads a file as the runtime writes it.
func readProfile(packed []byte) (*profile, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	p := &profile{locations: map[uint64][]uint64{}, functions: map[uint64]uint64{}}
	return p, fields(raw, func(f field) error {
		switch f.number {
		case 1:
			return p.addType(f.bytes)
		case 2:
			return p.addSample(f.bytes)
		case 4:
			return p.addLocation(f.bytes)
		case 5:
			return p.addFunction(f.bytes)
		case 6:
			p.texts = append(p.texts, string(f.bytes))
		}
		return nil
	})
}

func (p *profile) addType(b []byte) error {
	var t [2]uint64
	err := fields(b, func(f field) error {
		if f.number == 1 || f.number == 2 {
			t[f.number-1] = f.value
		}
		return nil
	})
	p.types = append(p.types, t)
	return err
}

func (p *profile) addSample(b []byte) error {
	var s sample
	err := fields(b, func(f field) (err error) {
		switch f.number {
		case 1:
			s.locations, err = f.numbers(s.locations)
		case 2:
			s.values, err = f.numbers(s.values)
		}
		return err
	})
	p.samples = append(p.samples, s)
	return err
}

func (p *profile) addLocation(b []byte) error {
	var id uint64
	var functions []uint64
	err := fields(b, func(f field) error {
		switch f.number {
		case 1:
			id = f.value
		case 4:
			return fields(f.bytes, func(line field) error {
				if line.number == 1 {
					functions = append(functions, line.value)
				}
				return nil
			})
		}
		return nil
	})
	p.locations[id] = functions
	return err
}

func (p *profile) addFunction(b []byte) error {
	var id, name uint64
	err := fields(b, func(f field) error {
		switch f.number {
		case 1:
			id = f.value
		case 2:
			name = f.value
		}
		return nil
	})
	p.functions[id] = name
	return err
}

func (p *profile) text(i uint64) string {
	if i < uint64(len(p.texts)) {
		return p.texts[i]
	}
	return ""
}

// stack is the packages of a sample, where it was first.
func (p *profile) stack(s sample) (packages []string) {
	for _, at := range s.locations {
		for _, function := range p.locations[at] {
			packages = append(packages, packageOf(p.text(p.functions[function])))
		}
	}
	return packages
}

// packageShares adds up one value of a profile by packages, the largest first.
func packageShares(packed []byte, value string) ([]Share, error) {
	p, err := readProfile(packed)
	if err != nil {
		return nil, err
	}
	column := slices.IndexFunc(p.types, func(t [2]uint64) bool { return p.text(t[0]) == value })
	if column < 0 {
		return nil, fmt.Errorf("%w with values of %s", errProfile, value)
	}
	all, total := map[string]*Share{}, 0.0
	of := func(name string) *Share {
		if all[name] == nil {
			all[name] = &Share{Package: name}
		}
		return all[name]
	}
	for _, s := range p.samples {
		stack := p.stack(s)
		if len(stack) == 0 || column >= len(s.values) {
			continue
		}
		v := float64(s.values[column])
		total += v
		of(stack[0]).Flat += v
		slices.Sort(stack)
		for _, name := range slices.Compact(stack) {
			of(name).Cumulative += v
		}
	}
	var shares []Share
	for _, s := range all {
		if total > 0 {
			shares = append(shares, Share{s.Package, s.Flat / total, s.Cumulative / total})
		}
	}
	slices.SortFunc(shares, func(a, b Share) int {
		return cmp.Or(cmp.Compare(b.Flat, a.Flat), cmp.Compare(b.Cumulative, a.Cumulative), cmp.Compare(a.Package, b.Package))
	})
	return shares, nil
}

// packageOf is the package of a function, by its name in the binary. Those of
// this module are named from its root.
func packageOf(function string) string {
	function, _, _ = strings.Cut(function, "[") // type arguments bear paths too
	slash := strings.LastIndexByte(function, '/') + 1
	name, _, _ := strings.Cut(function[slash:], ".")
	path := strings.ReplaceAll(function[:slash]+name, "%2e", ".") // a dot in the last part, as the linker writes it
	return strings.TrimPrefix(path, "github.com/beltline-io/beltline/")
}
