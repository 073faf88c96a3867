package deploy_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// composeDir is where the compose files are.
var composeDir = filepath.Join(deployDir, "compose")

// project is what one or more compose files say together. Only what our files
// use is known; everything else is an error, as a typing mistake would be.
type project struct {
	Name     string
	Services map[string]*service
	Secrets  map[string]struct{ File string }
	Volumes  map[string]struct{}
	Extra    map[string]any `yaml:",inline"`
}

type service struct {
	Image           string
	Build           struct{ Context, Dockerfile, Target string }
	Command         []string
	Environment     map[string]string
	Profiles        []string
	Restart         string
	User            string
	NetworkMode     string                                `yaml:"network_mode"`
	ReadOnly        bool                                  `yaml:"read_only"`
	CapDrop         []string                              `yaml:"cap_drop"`
	SecurityOpt     []string                              `yaml:"security_opt"`
	StopGracePeriod string                                `yaml:"stop_grace_period"`
	MemLimit        string                                `yaml:"mem_limit"`
	DependsOn       map[string]struct{ Condition string } `yaml:"depends_on"`
	Ports, Expose   []string
	Volumes         []string
	Secrets         []string
	Deploy          struct{ Replicas int }
	Logging         struct {
		Driver  string
		Options map[string]string
	}
	Healthcheck struct {
		Test        []string
		Interval    string
		Timeout     string
		Retries     int
		StartPeriod string `yaml:"start_period"`
	}
}

// The conditions of depends_on, in the words of compose.
const (
	started   = "service_started"
	healthy   = "service_healthy"
	completed = "service_completed_successfully"
)

// compose reads compose files of ours, each over the ones before it, with the
// variables that a person would have set.
func compose(t *testing.T, variables map[string]string, files ...string) *project {
	t.Helper()
	merged := map[string]any{}
	for _, name := range files {
		var one map[string]any
		if err := yaml.Unmarshal([]byte(interpolate(t, variables, read(t, filepath.Join(composeDir, name)))), &one); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		merged = over(merged, one).(map[string]any)
	}
	body, err := yaml.Marshal(merged)
	if err != nil {
		t.Fatal(err)
	}
	p := new(project)
	dec := yaml.NewDecoder(strings.NewReader(string(body)))
	dec.KnownFields(true)
	if err := dec.Decode(p); err != nil {
		t.Fatalf("%v: %v", files, err)
	}
	for key := range p.Extra {
		if !strings.HasPrefix(key, "x-") {
			t.Errorf("%v: nobody knows the key %s", files, key)
		}
	}
	return p
}

var variable = regexp.MustCompile(`\$\{([A-Z_]+):-([^}]*)\}`)

// interpolate puts variables in. The only form in use is the one with a default.
func interpolate(t *testing.T, variables map[string]string, text string) string {
	t.Helper()
	text = variable.ReplaceAllStringFunc(text, func(found string) string {
		m := variable.FindStringSubmatch(found)
		if v := variables[m[1]]; v != "" {
			return v
		}
		return m[2]
	})
	if i := strings.Index(text, "$"); i >= 0 {
		t.Errorf("a $ that stands for nothing: %.30q", text[i:])
	}
	return text
}

// over lays one value over another as compose does: mappings by their keys, a
// command instead of a command, volumes by where they are mounted, and every
// other list behind the one that was there.
func over(below, above any) any {
	switch a := above.(type) {
	case map[string]any:
		b, ok := below.(map[string]any)
		if !ok {
			return a
		}
		b = maps.Clone(b)
		for key, value := range a {
			switch {
			case b[key] == nil || key == "command" || key == "test":
				b[key] = value
			case key == "volumes" && isList(value):
				b[key] = volumesOver(b[key].([]any), value.([]any))
			default:
				b[key] = over(b[key], value)
			}
		}
		return b
	case []any:
		b, _ := below.([]any)
		all := slices.Clone(b)
		for _, value := range a {
			if !slices.Contains(all, value) {
				all = append(all, value)
			}
		}
		return all
	default:
		return above
	}
}

func isList(v any) bool { _, ok := v.([]any); return ok }

func volumesOver(below, above []any) []any {
	all := slices.Clone(above)
	for _, b := range below {
		if !slices.ContainsFunc(above, func(a any) bool { return target(a.(string)) == target(b.(string)) }) {
			all = append(all, b)
		}
	}
	return all
}

// target is where a volume is mounted.
func target(volume string) string { return strings.Split(volume, ":")[1] }

// program is the program of ours that a service runs; empty for nats-server.
func (s *service) program() string {
	name, ours := strings.CutPrefix(s.Image, "beltline/")
	if !ours {
		return ""
	}
	name, _, _ = strings.Cut(name, ":")
	return name
}

// combinations are the ways in which the files are laid over each other.
var combinations = map[string][]string{
	"single":            {"compose.yaml"},
	"single, called":    {"compose.yaml", "webhooks.yaml"},
	"single, at fakes":  {"compose.yaml", "fakes.yaml"},
	"cluster":           {"compose.yaml", "cluster.yaml"},
	"cluster, called":   {"compose.yaml", "cluster.yaml", "webhooks.yaml"},
	"cluster, at fakes": {"compose.yaml", "cluster.yaml", "fakes.yaml"},
}

// person is what somebody has put into .env.
func person(t *testing.T) map[string]string {
	t.Helper()
	variables := map[string]string{
		"SKINSBACK_CLIENT_ID": "4711", "EXCHANGER_URL": "https://exchanger.example/api/userapi/v1", "EXCHANGER_LANG": "ru",
		"SKINSBACK_WEBHOOK_PUBLIC_URL": "https://hooks.example/skinsback", "EXCHANGER_WEBHOOK_PUBLIC_URL": "https://hooks.example/exchanger",
	}
	example := read(t, filepath.Join(composeDir, ".env.example"))
	for name := range variables {
		if !strings.Contains(example, "\n"+name+"=") {
			t.Errorf(".env.example says nothing of %s", name)
		}
	}
	return variables
}

func TestCompose_EveryServiceIsLockedDownAndWhatItNamesExists(t *testing.T) {
	t.Parallel()
	targets := dockerTargets(t)
	for name, files := range combinations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := compose(t, person(t), files...)
			for name, s := range p.Services {
				for _, fault := range p.faultsOf(s, targets) {
					t.Errorf("%s: %s", name, fault)
				}
			}
		})
	}
}

// faultsOf says what is wrong with a service.
func (p *project) faultsOf(s *service, targets map[string]string) (all []string) {
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	fault(!s.ReadOnly, "its root can be written to")
	fault(!slices.Contains(s.SecurityOpt, "no-new-privileges:true"), "it can gain privileges")
	if program := s.program(); program != "" {
		fault(s.User != "65532:65532" || !slices.Equal(s.CapDrop, []string{"ALL"}), "it runs as %q without %v", s.User, s.CapDrop)
		fault(s.MemLimit == "", "its memory has no limit")
		fault(targets[program] == "", "the Dockerfile does not build %s", program)
		fault(s.Build.Target != program, "it is built as %s, not %s", s.Build.Target, program)
		root, err := filepath.Abs(filepath.Join(composeDir, s.Build.Context))
		fault(err != nil || !exists(filepath.Join(root, s.Build.Dockerfile)) || !exists(filepath.Join(root, "go.mod")), "it is built from %s", root)
	}
	for name, d := range s.DependsOn {
		other := p.Services[name]
		fault(other == nil, "it waits for %s, which does not exist", name)
		fault(!slices.Contains([]string{started, healthy, completed}, d.Condition), "it waits for %s to be %q", name, d.Condition)
		fault(other != nil && d.Condition == healthy && len(other.Healthcheck.Test) == 0, "it waits for the health of %s, which tells none", name)
		fault(other != nil && d.Condition == completed && other.Restart != "no", "it waits for the end of %s, which begins again", name)
	}
	for _, secret := range s.Secrets {
		fault(p.Secrets[secret].File == "", "its secret %s is nowhere", secret)
	}
	for variable, value := range s.Environment {
		if name, isSecret := strings.CutPrefix(value, "/run/secrets/"); isSecret {
			fault(!slices.Contains(s.Secrets, name), "%s is in no secret of it", variable)
		}
	}
	for _, v := range s.Volumes {
		source, _, _ := strings.Cut(v, ":")
		_, named := p.Volumes[source]
		fault(!named && !exists(filepath.Join(composeDir, source)), "there is no %s", source)
	}
	if other, shared := strings.CutPrefix(s.NetworkMode, "service:"); shared {
		fault(p.Services[other] == nil, "it shares the network of %s, which does not exist", other)
		fault(len(s.Ports)+len(s.Expose) > 0, "it has ports on a network that is another's")
	}
	return all
}

// TestCompose_TheFakesShareNothingWithTheRealOnes: an order that was made to try
// things out must never be found by a worker with real money.
func TestCompose_TheFakesShareNothingWithTheRealOnes(t *testing.T) {
	t.Parallel()
	names := map[string]string{}
	for what, files := range combinations {
		p := compose(t, person(t), files...)
		fake := p.Services["fakes"] != nil
		if before, told := names[p.Name]; told && (before == "fakes") != fake {
			t.Errorf("%s has the name %s, which is that of %s", what, p.Name, before)
		}
		names[p.Name] = "real"
		if !fake {
			continue
		}
		names[p.Name] = "fakes"
		for name, s := range p.Services {
			for variable, value := range s.Environment {
				if strings.HasSuffix(variable, "_URL") && variable != "NATS_URL" && !strings.HasPrefix(value, "http://127.0.0.1:") {
					t.Errorf("%s: %s of %s is %s", what, variable, name, value)
				}
			}
		}
		for name, s := range p.Secrets {
			if !strings.HasPrefix(s.File, "./fakes/") {
				t.Errorf("%s: the secret %s is read from %s", what, name, s.File)
			}
		}
	}
}
