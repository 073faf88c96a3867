package accounts

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What a program's folder holds, as the manifests of deploy name it.
const (
	contextFile, keyFile, caFile = "context.json", "key", "ca.pem"
)

// target is a way of running programs that hands them their files under other
// names than those of this directory: a context must name them as the program
// will see them, or somebody has to rewrite each by hand.
type target struct {
	name string
	runs func(*role) bool
	// folder is where a role's files are put; key and ca are what they are called
	// where the program runs.
	folder  func(role string) string
	key, ca func(role string) string
	// shared: one certificate for all lies beside the folders, and not in each.
	shared bool
}

func isProgram(r *role) bool { return r.name == "dispatcher" || strings.HasPrefix(r.name, "worker-") }

// targets are those of deploy/k8s and deploy/systemd.
func targets() []target {
	always := func(text string) func(string) string { return func(string) string { return text } }
	handed := func(name string) func(string) string {
		return func(role string) string { return "/run/credentials/beltline-" + role + ".service/" + name }
	}
	return []target{
		{
			name: "kubernetes", runs: func(r *role) bool { return isProgram(r) || r.name == "setup" },
			folder: func(role string) string { return role + "-nats" }, // the name of its Secret
			key:    always("/run/secrets/nats/" + keyFile), ca: always("/run/secrets/nats/" + caFile),
		},
		{
			name: "systemd", runs: isProgram, shared: true,
			folder: func(role string) string { return "beltline-" + role }, // the name of its unit
			key:    handed("nats-key"), ca: handed("nats-ca"),
		},
	}
}

// writeTargets puts what the programs are given where they run into a folder of
// its own for each, below one for the target.
func (o Options) writeTargets(all []*role) error {
	for _, t := range targets() {
		if !slices.Contains(o.For, t.name) {
			continue
		}
		for _, r := range all {
			if !t.runs(r) {
				continue
			}
			if err := t.write(o.Dir, r.name); err != nil {
				return fmt.Errorf("the files of %s for %s: %w", r.name, t.name, err)
			}
		}
	}
	return nil
}

// write copies a role's files, and lets its context name them as they will be.
func (t target) write(dir, name string) error {
	body, err := os.ReadFile(filepath.Join(dir, name+contextEnd))
	if err != nil {
		return err
	}
	var c context
	if err := json.Unmarshal(body, &c); err != nil {
		return err
	}
	if c.CA == "" {
		return fmt.Errorf("no file says who has signed the servers' certificates: name it once with --ca")
	}
	authority, err := os.ReadFile(c.CA)
	if err != nil {
		return err
	}
	seed, err := os.ReadFile(c.NKey)
	if err != nil {
		return err
	}
	c.NKey, c.CA = t.key(name), t.ca(name)
	if body, err = json.MarshalIndent(c, "", "  "); err != nil {
		return err
	}
	base := filepath.Join(dir, t.name)
	folder := filepath.Join(base, t.folder(name))
	if err := os.MkdirAll(folder, dirPerm); err != nil {
		return err
	}
	if err := replace(filepath.Join(folder, contextFile), append(body, '\n'), secretPerm); err != nil {
		return err
	}
	if err := replace(filepath.Join(folder, keyFile), seed, secretPerm); err != nil {
		return err
	}
	if t.shared {
		folder = base
	}
	return replace(filepath.Join(folder, caFile), authority, publicPerm)
}
