package accounts

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	// File is what the server's configuration includes.
	File = "accounts.conf"
	// Keys are the variables that the server's configuration reads.
	Keys = "server.env"

	seedEnd, contextEnd = ".nk", ".json"
	tenantBegin         = "tenant-"

	// What is secret, its owner may read and nobody else.
	secretPerm = 0o600
	dirPerm    = 0o700
	publicPerm = 0o644
)

// Options say what to make.
type Options struct {
	// Dir is the directory of all files.
	Dir string
	// Tenants are those to be there, besides those that are there already.
	Tenants []string
	// URL and CA go into the contexts: where the servers are, and the file of who
	// has signed their certificates. Empty leaves a context as it is.
	URL, CA string
	// For are the targets (target.go) whose programs are to be given files of
	// their own.
	For []string
}

// Role is somebody who was given an account.
type Role struct {
	Name, Account, Program string
	// Context is the file that tells a program how to connect.
	Context string
	// Seed is the file with its key.
	Seed        string
	InboxPrefix string
	Tenant      string // of an upstream
	Made        bool   // just now
}

// Write makes what is missing, and writes the accounts anew. It returns
// everybody who has one.
func Write(o Options) ([]Role, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	if err := os.MkdirAll(dir, dirPerm); err != nil {
		return nil, err
	}
	tenants, err := o.tenants()
	if err != nil {
		return nil, err
	}
	all := roles(tenants)
	keys := make(map[string]string, len(all))
	told := make([]Role, 0, len(all))
	for _, r := range all {
		t := Role{
			Name: r.name, Account: r.account, Program: r.program, InboxPrefix: r.inbox(),
			Context: filepath.Join(dir, r.name+contextEnd), Seed: filepath.Join(dir, r.name+seedEnd),
		}
		t.Tenant, _ = strings.CutPrefix(r.name, tenantBegin)
		if t.Tenant == r.name {
			t.Tenant = ""
		}
		if keys[r.name], t.Made, err = keyOf(t.Seed); err != nil {
			return nil, fmt.Errorf("the key of %s: %w", r.name, err)
		}
		if err := o.writeContext(t); err != nil {
			return nil, fmt.Errorf("the context of %s: %w", r.name, err)
		}
		told = append(told, t)
	}
	if err := o.writeTargets(all); err != nil {
		return nil, err
	}
	if err := serverKeys(filepath.Join(dir, Keys)); err != nil {
		return nil, err
	}
	return told, replace(filepath.Join(dir, File), []byte(render(all, keys)), publicPerm)
}

// tenants are those that were asked for, and those that have a key. One that
// was not named this time must not lose its account by that.
func (o Options) tenants() ([]string, error) {
	all := slices.Clone(o.Tenants)
	there, err := filepath.Glob(filepath.Join(o.Dir, tenantBegin+"*"+seedEnd))
	if err != nil {
		return nil, err
	}
	for _, file := range there {
		all = append(all, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), tenantBegin), seedEnd))
	}
	slices.Sort(all)
	all = slices.Compact(all)
	for _, t := range all {
		if !messages.ValidTenant(t) {
			return nil, fmt.Errorf("%q cannot be a tenant: 1 to 64 letters, digits, - and _, not beginning with _, and not %q", t, messages.UnknownTenant)
		}
	}
	return all, nil
}

// keyOf returns the public half of the key in a file, which is made if it is
// not there.
func keyOf(file string) (public string, made bool, err error) {
	seed, err := os.ReadFile(file)
	var pair nkeys.KeyPair
	switch {
	case err == nil:
		pair, err = nkeys.FromSeed(bytes.TrimSpace(seed))
	case errors.Is(err, fs.ErrNotExist):
		if pair, err = nkeys.CreateUser(); err != nil {
			return "", false, err
		}
		made = true
		if seed, err = pair.Seed(); err == nil {
			err = create(file, append(seed, '\n'))
		}
	}
	if err != nil {
		return "", false, err
	}
	defer pair.Wipe()
	if public, err = pair.PublicKey(); err == nil && !nkeys.IsValidPublicUserKey(public) {
		err = fmt.Errorf("%s is not the seed of a user", file)
	}
	return public, made, err
}

// context is a context of the nats command line.
type context struct {
	Description string `json:"description"`
	URL         string `json:"url"`
	NKey        string `json:"nkey"`
	CA          string `json:"ca"`
	InboxPrefix string `json:"inbox_prefix,omitempty"`
	APIPrefix   string `json:"jetstream_api_prefix,omitempty"`
}

// writeContext writes how a role connects, keeping the servers of before where
// none are named.
func (o Options) writeContext(r Role) error {
	c := o.servers()
	body, err := os.ReadFile(r.Context)
	if err == nil {
		err = json.Unmarshal(body, &c)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if o.URL != "" {
		c.URL = o.URL
	}
	if o.CA != "" {
		if c.CA, err = filepath.Abs(o.CA); err != nil {
			return err
		}
	}
	c.Description, c.NKey = "Beltline: "+r.Name, r.Seed
	if r.Account != system { // the server's own account answers anywhere
		c.InboxPrefix, c.APIPrefix = r.InboxPrefix, APIPrefix
	}
	if body, err = json.MarshalIndent(c, "", "  "); err != nil {
		return err
	}
	return replace(r.Context, append(body, '\n'), secretPerm)
}

// servers is what the contexts that are there say of the servers: somebody who
// comes later connects to the same ones.
func (o Options) servers() context {
	if there, err := filepath.Glob(filepath.Join(o.Dir, "*"+contextEnd)); err == nil {
		for _, file := range there {
			var c context
			if body, err := os.ReadFile(file); err == nil && json.Unmarshal(body, &c) == nil && c.URL != "" {
				return context{URL: c.URL, CA: c.CA}
			}
		}
	}
	return context{URL: "nats://127.0.0.1:4222"}
}

// serverKeys makes the keys of the server itself, once: what is on its disk
// cannot be read without the first of them.
func serverKeys(file string) error {
	// The first letter keeps the server from reading a number.
	text := fmt.Sprintf("BELTLINE_STORE_DIR=/var/lib/beltline-nats\nBELTLINE_JS_KEY=k%s%s\nBELTLINE_ROUTE_PASSWORD=p%s%s\n", rand.Text(), rand.Text(), rand.Text(), rand.Text())
	err := create(file, []byte(text))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// create writes a file that is not there yet.
func create(name string, body []byte) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, secretPerm)
	if err != nil {
		return err
	}
	_, err = file.Write(body)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(name)) // half a key is none
	}
	return nil
}

// replace writes a file at once or not at all, and not where it is the same.
func replace(name string, body []byte, perm fs.FileMode) error {
	if have, err := os.ReadFile(name); err == nil && bytes.Equal(have, body) {
		return nil
	}
	file, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	_, err = file.Write(body)
	if err = errors.Join(err, file.Chmod(perm), file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
