package deploy_test

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/app"
)

var systemdDir = filepath.Join(deployDir, "systemd")

// directives are those of systemd that our units use, by section; a word that is
// not among them is ignored by systemd, and so is what it was meant to forbid.
var directives = map[string]string{
	"Unit":    "Description Documentation Wants After StartLimitIntervalSec",
	"Install": "WantedBy",
	"Service": "Type ExecStart ExecReload RefreshOnReload Environment EnvironmentFile LoadCredential Restart RestartSec RestartPreventExitStatus TimeoutStopSec KillMode " +
		"MemoryMax TasksMax LimitNOFILE DynamicUser UMask NoNewPrivileges CapabilityBoundingSet AmbientCapabilities " +
		"ProtectSystem ProtectHome ProtectProc ProtectClock ProtectHostname ProtectControlGroups ProtectKernelLogs ProtectKernelModules ProtectKernelTunables " +
		"PrivateDevices PrivateTmp PrivateUsers DevicePolicy RemoveIPC LockPersonality MemoryDenyWriteExecute RestrictAddressFamilies RestrictNamespaces " +
		"RestrictRealtime RestrictSUIDSGID SystemCallArchitectures SystemCallFilter SystemCallErrorNumber",
}

// repeated are the directives that may stand more than once.
var repeated = []string{"Environment", "EnvironmentFile", "LoadCredential", "SystemCallFilter"}

// unit is a unit file: the values of each directive.
type unit map[string][]string

func unitFile(t *testing.T, path string) unit {
	t.Helper()
	u, section := unit{}, ""
	for line := range strings.Lines(read(t, path)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(name, "]")
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || !slices.Contains(strings.Fields(directives[section]), key) {
			t.Errorf("%s: %q in [%s] is nothing that systemd knows of ours", filepath.Base(path), line, section)
		}
		if u[key] != nil && !slices.Contains(repeated, key) {
			t.Errorf("%s: %s is set twice", filepath.Base(path), key)
		}
		u[key] = append(u[key], value)
	}
	return u
}

func (u unit) one(key string) string {
	if len(u[key]) != 1 {
		return ""
	}
	return u[key][0]
}

// program is what the unit starts.
func (u unit) program() string { return filepath.Base(u.one("ExecStart")) }

// environ is what the unit tells its program, besides the files.
func (u unit) environ() map[string]string {
	all := map[string]string{}
	for _, line := range u["Environment"] {
		for _, pair := range strings.Fields(line) {
			name, value, _ := strings.Cut(pair, "=")
			all[name] = value
		}
	}
	return all
}

// units are the services, by the program that each starts.
func units(t *testing.T) map[string]unit {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(systemdDir, "*.service"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no units: %v", err)
	}
	all := map[string]unit{}
	for _, f := range files {
		u := unitFile(t, f)
		all[u.program()] = u
		if filepath.Base(f) != "beltline-"+u.program()+".service" {
			t.Errorf("%s starts %s", f, u.program())
		}
	}
	return all
}

// settingsFile reads beltline.env: what is set, and what stands there as a
// comment with its default.
func settingsFile(t *testing.T) (set, shown map[string]string) {
	t.Helper()
	set, shown = map[string]string{}, map[string]string{}
	for line := range strings.Lines(read(t, filepath.Join(systemdDir, "beltline.env"))) {
		line = strings.TrimSpace(line)
		comment := strings.HasPrefix(line, "#")
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "#"), "=")
		switch {
		case line == "" || comment && (!ok || strings.HasPrefix(name, " ")):
		case !ok || set[name] != "" || shown[name] != "":
			t.Errorf("beltline.env: %q", line)
		case comment:
			shown[name] = value
		default:
			set[name] = value
		}
	}
	return set, shown
}

func TestSystemd_EveryProgramHasAUnitAndStartsWithWhatItIsTold(t *testing.T) {
	t.Parallel()
	all := units(t)
	set, _ := settingsFile(t)
	set["SKINSBACK_CLIENT_ID"], set["EXCHANGER_URL"] = "4711", "https://exchanger.example/api/userapi/v1" // what a person fills in
	door := unitFile(t, filepath.Join(systemdDir, "webhooks.conf"))
	ports := map[string]bool{}
	for _, program := range commands(t) {
		u := all[program]
		if program == "beltline" {
			continue // it is for people
		}
		if u == nil || u.one("ExecStart") != "/usr/local/bin/"+program {
			t.Errorf("no unit starts %s", program)
			continue
		}
		told := u.environ()
		u.credentials(t, told)
		if program == "worker-skinsback" || program == "worker-exchanger" {
			door.credentials(t, door.environ())
			maps.Copy(told, door.environ())
			told["WEBHOOK_ADDR"], told["WEBHOOK_PUBLIC_URL"] = "127.0.0.1:8090", "https://hooks.example/"
		}
		startsWith(t, program, program, nil, withSecrets(t, andFile(told, set, program), "%d/"))
		if at := told["HTTP_ADDR"]; ports[at] || !strings.HasPrefix(at, "127.0.0.1:") {
			t.Errorf("%s serves health at %q", program, at)
		} else {
			ports[at] = true
		}
		if u["EnvironmentFile"][0] != "/etc/beltline/beltline.env" {
			t.Errorf("%s reads %v", program, u["EnvironmentFile"])
		}
	}
}

// andFile adds what is in the file for all to what the unit says, as far as it is
// this program's.
func andFile(told, set map[string]string, program string) map[string]string {
	all := maps.Clone(told)
	for name, value := range set {
		provider, isWorker := strings.CutPrefix(program, "worker-")
		if strings.HasPrefix(name, "NATS_") || isWorker && strings.HasPrefix(name, strings.ToUpper(provider)+"_") {
			all[name] = value
		}
	}
	return all
}

// credentials checks that every secret is one that systemd hands over.
func (u unit) credentials(t *testing.T, told map[string]string) {
	t.Helper()
	handed := map[string]bool{}
	for _, c := range u["LoadCredential"] {
		name, path, ok := strings.Cut(c, ":")
		if !ok || !strings.HasPrefix(path, "/etc/beltline/") {
			t.Errorf("the credential %q comes from nowhere", c)
		}
		handed[name] = true
	}
	for variable, value := range told {
		name, secret := strings.CutPrefix(value, "%d/")
		if secret != (strings.HasSuffix(variable, "_FILE") || variable == "NATS_CONTEXT") || secret && !handed[name] {
			t.Errorf("%s=%s is not handed over", variable, value)
		}
	}
}

func TestSystemd_UnitsAreHardenedDrainAndDoNotRepeatAWrongConfiguration(t *testing.T) {
	t.Parallel()
	var first unit
	for program, u := range units(t) {
		for key, want := range map[string]string{
			"Type": "exec", "Restart": "on-failure", "DynamicUser": "yes", "ProtectSystem": "strict", "NoNewPrivileges": "yes", "KillMode": "mixed",
			"RestartPreventExitStatus": strconv.Itoa(app.ExitConfig), "CapabilityBoundingSet": "", "StartLimitIntervalSec": "0", "WantedBy": "multi-user.target",
		} {
			if len(u[key]) != 1 || u[key][0] != want {
				t.Errorf("%s: %s is %q", program, key, u[key])
			}
		}
		drain, err := time.ParseDuration(u.environ()["DRAIN_TIMEOUT"])
		stop, stopErr := time.ParseDuration(u.one("TimeoutStopSec"))
		if err != nil || stopErr != nil || stop < drain+5*time.Second {
			t.Errorf("%s is killed after %s and may drain for %s", program, stop, drain)
		}
		// All of them are locked down alike: what differs is what they are told.
		u = maps.Clone(u)
		for _, own := range []string{"Description", "ExecStart", "Environment", "LoadCredential"} {
			delete(u, own)
		}
		if first == nil {
			first = u
		}
		if !reflect.DeepEqual(u, first) {
			t.Errorf("%s has other directives than the rest", program)
		}
	}
}

// TestSystemd_TheFileOfSettingsHasAllOfThemWithTheirDefaults asks the programs
// for what they know and for what they take where nothing is said.
func TestSystemd_TheFileOfSettingsHasAllOfThemWithTheirDefaults(t *testing.T) {
	t.Parallel()
	set, shown := settingsFile(t)
	defaults, known := map[string]string{}, app.Variables()
	for _, program := range commands(t) {
		loaded, _ := load(t, program, nil, nil) // what is required is missing, and the rest can be read
		maps.Copy(defaults, loaded.Effective)
	}
	elsewhere := map[string]bool{ // the units, and their files
		"BELTLINE_CONFIG": true, "NATS_CONTEXT": true, "HTTP_ADDR": true, "DRAIN_TIMEOUT": true, "LOG_FORMAT": true,
	}
	for name := range known {
		if _, secret := defaults[name+"_FILE"]; secret {
			elsewhere[name], elsewhere[name+"_FILE"] = true, true
		}
	}
	doors := reflect.TypeFor[app.Doors]() // for several workers in one process
	for i := range doors.NumField() {
		elsewhere[doors.Field(i).Tag.Get("env")] = true
	}
	for name := range known {
		_, isSet := set[name]
		value, isShown := shown[name]
		if isSet == isShown && !elsewhere[name] || (isSet || isShown) && elsewhere[name] {
			t.Errorf("%s: set %t, shown %t", name, isSet, isShown)
		}
		if follows := defaults[name] == "0s"; isShown && value != defaults[name] && (value != "" || !follows) {
			t.Errorf("%s is shown as %q, and is %q", name, value, defaults[name])
		}
	}
	for name := range shown {
		if !known[name] {
			t.Errorf("nobody knows %s", name)
		}
	}
	for name := range set {
		if !known[name] {
			t.Errorf("nobody knows %s", name)
		}
	}
}

// A unit that offers to reload what systemd has copied at the start would say
// that a new key is in use, and go on with the old one.
func TestSystemd_ReloadIsOfferedOnlyWhereItCopiesTheSecretsAnew(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(systemdDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	offered := 0
	for _, f := range files {
		if ext := filepath.Ext(f); ext != ".service" && ext != ".conf" {
			continue
		}
		u := unitFile(t, f)
		if len(u["ExecReload"]) == 0 {
			continue
		}
		offered++
		if u.one("RefreshOnReload") != "credentials" || u.one("ExecReload") != "/bin/kill -HUP $MAINPID" {
			t.Errorf("%s reloads what was copied at the start", filepath.Base(f))
		}
	}
	if offered != 1 {
		t.Errorf("%d files offer to reload", offered)
	}
}

func TestSystemd_AnAccountIsHandedToEveryProgram(t *testing.T) {
	t.Parallel()
	u := unitFile(t, filepath.Join(systemdDir, "account.conf"))
	u.credentials(t, u.environ())
	if got := u.environ()["NATS_CONTEXT"]; got != "%d/nats-context" {
		t.Errorf("NATS_CONTEXT is %q", got)
	}
}
