package accounts_test

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// handed is a file that a program is given, and what it is called there.
type handed struct{ file, as string }

// handedOver says what each program finds where it runs, read from the manifests
// that are shipped: below dir by file.
func handedOver(t *testing.T, target, program string) (context handed, others map[string]string) {
	t.Helper()
	others = map[string]string{}
	if target == "systemd" {
		unit := "beltline-" + program
		own := func(s string) string { return strings.ReplaceAll(s, "%N", unit) }
		for _, m := range regexp.MustCompile(`LoadCredential=([a-z-]+):/etc/beltline/nats/(\S+)`).FindAllStringSubmatch(shippedFile(t, "systemd", "account.conf"), -1) {
			others["/run/credentials/"+unit+".service/"+m[1]] = own(m[2])
		}
		as := "/run/credentials/" + unit + ".service/nats-context"
		context = handed{others[as], as}
		delete(others, as)
		return context, others
	}
	manifest := shippedFile(t, "k8s", "base", program+".yaml")
	secret, mount, role := program+"-nats", "/run/secrets/nats", program
	for _, want := range []string{"secretName: " + secret, "mountPath: " + mount, "NATS_CONTEXT, value: " + mount + "/context.json"} {
		if !strings.Contains(manifest, want) {
			t.Errorf("%s says nothing of %q", role, want)
		}
	}
	for _, name := range []string{"key", "ca.pem"} {
		others[path.Join(mount, name)] = path.Join(secret, name)
	}
	return handed{path.Join(secret, "context.json"), path.Join(mount, "context.json")}, others
}

func shippedFile(t *testing.T, parts ...string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(append([]string{"..", "..", "deploy"}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Nobody has to rewrite a context by hand: what each names is what the shipped
// manifests hand over under that very path, and is the role's own key.
func TestGenerate_ForKubernetesAndSystemdAContextNamesWhatItsProgramIsHanded(t *testing.T) {
	t.Parallel()
	dir := shipped(t, acme)
	r := &rig{t: t, dir: dir}
	ca := filepath.Join(dir, "ca.pem")
	for range 2 { // again changes nothing, and fails at nothing
		if _, said, err := r.beltline("none", "accounts", "--dir", dir, "--ca", ca, "--for", "kubernetes", "--for", "systemd", "--url", "tls://nats.example:4222"); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
	}
	authority, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"kubernetes", "systemd"} {
		for _, program := range []string{"dispatcher", "worker-balancesteam", "worker-skinsback", "worker-gamesdrop", "worker-exchanger"} {
			at, others := handedOver(t, target, program)
			base := filepath.Join(dir, target)
			body, err := os.ReadFile(filepath.Join(base, at.file))
			if err != nil {
				t.Fatal(err)
			}
			var c struct {
				URL, NKey, CA string
				Inbox         string `json:"inbox_prefix"`
			}
			if err := json.Unmarshal(body, &c); err != nil {
				t.Fatal(err)
			}
			if c.URL != "tls://nats.example:4222" || c.Inbox != "_INBOX_"+program {
				t.Errorf("%s, %s: %s", target, program, body)
			}
			seed, err := os.ReadFile(filepath.Join(dir, program+".nk"))
			if err != nil {
				t.Fatal(err)
			}
			for as, want := range map[string]string{c.NKey: string(seed), c.CA: string(authority)} {
				got, err := os.ReadFile(filepath.Join(base, others[as]))
				if err != nil || others[as] == "" || string(got) != want {
					t.Errorf("%s, %s: nothing good is handed over as %s: %v", target, program, as, err)
				}
			}
			for _, secret := range []string{at.file, others[c.NKey]} {
				if info, err := os.Stat(filepath.Join(base, secret)); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%s: %v, %v", secret, info, err)
				}
			}
		}
	}
}

func TestGenerate_ForATargetItSaysThatTheAuthorityIsMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := &rig{t: t, dir: dir}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no authority":      {[]string{"--for", "systemd"}, "--ca"},
		"an unknown target": {[]string{"--for", "nomad"}, "kubernetes"},
	} {
		_, said, err := r.beltline("none", append([]string{"accounts", "--dir", dir}, c.args...)...)
		if err == nil || !strings.Contains(said, c.want) {
			t.Errorf("%s: %v\n%s", name, err, said)
		}
	}
}
