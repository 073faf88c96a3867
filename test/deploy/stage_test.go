package deploy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beltline-io/beltline/test/crash/procs"
)

// patience is for what must come; a loaded machine is not a broken one.
const patience = 4 * time.Minute

// stage is a project whose services run as processes of this machine. What a
// container would add is left out: its root, its limits, its network, in the
// place of which every address in a command, a variable or a configuration file
// becomes one of this machine.
type stage struct {
	*testing.T
	*project
	dir     string
	journal procs.Journal
	ports   map[string]string // the port here, by host and port there
	running map[string]*procs.Process
}

// perform starts the services that profiles ask for, each as soon as what it
// depends on is as far as it asks for, and returns when all are ready.
func perform(t *testing.T, p *project, profiles ...string) *stage {
	t.Helper()
	s := &stage{T: t, project: p, dir: t.TempDir(), ports: map[string]string{}, running: map[string]*procs.Process{}}
	t.Cleanup(s.end)
	var waiting []string
	for name, one := range p.Services {
		if len(one.Profiles) == 0 || slices.ContainsFunc(one.Profiles, func(p string) bool { return slices.Contains(profiles, p) }) {
			waiting = append(waiting, name)
		}
	}
	slices.Sort(waiting)
	for begun := map[string]bool{}; len(begun) < len(waiting); {
		i := slices.IndexFunc(waiting, func(name string) bool {
			if begun[name] {
				return false
			}
			for other := range p.Services[name].DependsOn {
				if !begun[other] {
					return false
				}
			}
			return true
		})
		if i < 0 {
			t.Fatalf("of %v nothing can begin after %v", waiting, begun)
		}
		s.begin(waiting[i])
		begun[waiting[i]] = true
	}
	for name := range s.running {
		s.awaitReady(name)
	}
	return s
}

// begin starts one service, or as many of it as it asks for.
func (s *stage) begin(name string) {
	s.Helper()
	one := s.Services[name]
	for other, d := range one.DependsOn {
		if d.Condition == healthy {
			s.awaitHealthy(other)
		}
	}
	path := procs.NATSServer
	if program := one.program(); program != "" {
		path = program
	}
	path = binary(s.T, filepath.Base(strings.TrimSuffix(path, "/v2")))
	if one.Restart == "no" { // it has to have ended before another begins
		ctx, cancel := context.WithTimeout(s.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, path, s.here(name, name, one.Command)...) //nolint:gosec // our own program
		cmd.Env = s.environ(name, name)
		if out, err := cmd.CombinedOutput(); err != nil {
			s.Fatalf("%s: %v\n%s", name, err, out)
		}
		return
	}
	for i := range max(1, one.Deploy.Replicas) {
		self := name
		if i > 0 {
			self += "#" + strconv.Itoa(i+1)
		}
		out, err := procs.NewOutput(filepath.Join(s.dir, self+".log"), nil)
		if err != nil {
			s.Fatal(err)
		}
		p := &procs.Process{
			Program: name, Name: self, Path: path, Args: s.here(name, self, one.Command), Env: s.environ(name, self), Output: out, Journal: &s.journal,
		}
		s.running[self] = p
		if err := p.Start(); err != nil {
			s.Fatal(err)
		}
	}
}

func (s *stage) environ(name, self string) (all []string) {
	for variable, value := range s.Services[name].Environment {
		all = append(all, variable+"="+s.here(name, self, []string{value})[0])
	}
	return all
}

var (
	address = regexp.MustCompile(`\b([a-z0-9][a-z0-9.-]*):(\d{1,5})\b`)
	mounted = regexp.MustCompile(`(/run/secrets/[a-z-]+|/etc/nats/nats\.conf|/data)\b`)
)

// here translates words of a service to this machine.
func (s *stage) here(name, self string, words []string) []string {
	owner := self
	if other, shared := strings.CutPrefix(s.Services[name].NetworkMode, "service:"); shared {
		owner = other
	}
	var all []string
	for _, word := range words {
		word = address.ReplaceAllStringFunc(word, func(found string) string {
			host, port, _ := strings.Cut(found, ":")
			switch {
			case port == "0":
				return "127.0.0.1:0"
			case host == "0.0.0.0" || host == "127.0.0.1":
				host = owner
			case s.Services[host] == nil:
				return found // not an address of the project
			}
			return "127.0.0.1:" + s.port(host, port)
		})
		all = append(all, mounted.ReplaceAllStringFunc(word, func(path string) string { return s.file(name, self, path) }))
	}
	return all
}

// port is the port of this machine that stands for one of a host. It is below
// those that the system gives to outgoing connections: nobody else may take it
// before its owner listens. The ports of the fakes follow each other.
func (s *stage) port(host, port string) string {
	key := host + ":" + port
	if s.ports[key] != "" {
		return s.ports[key]
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		s.Fatal(err)
	}
	const together = 4
	for range 1000 {
		first := 10000 + rand.IntN(10000) //nolint:gosec // any will do
		if s.free(first, together) {
			for i := range together {
				key := host + ":" + strconv.Itoa(n+i)
				if s.ports[key] == "" {
					s.ports[key] = strconv.Itoa(first + i)
				}
			}
			return s.ports[key]
		}
	}
	s.Fatal("no free ports")
	return ""
}

// given are the ports that a stage of this process has, though nobody may listen
// on them yet.
var given struct {
	sync.Mutex
	ports map[int]bool
}

// free reports whether ports that follow each other are free, and takes them.
func (s *stage) free(first, n int) bool {
	given.Lock()
	defer given.Unlock()
	if given.ports == nil {
		given.ports = map[int]bool{}
	}
	var lc net.ListenConfig
	for port := first; port < first+n; port++ {
		if given.ports[port] {
			return false
		}
		l, err := lc.Listen(s.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	for port := first; port < first+n; port++ {
		given.ports[port] = true
	}
	return true
}

// file is the path here of what is mounted there. A configuration is translated
// like a command.
func (s *stage) file(name, self, path string) string {
	if secret, ok := strings.CutPrefix(path, "/run/secrets/"); ok {
		return filepath.Join(composeDir, s.Secrets[secret].File)
	}
	for _, v := range s.Services[name].Volumes {
		source, _, _ := strings.Cut(v, ":")
		switch _, named := s.Volumes[source]; {
		case target(v) != path:
		case named:
			return filepath.Join(s.dir, source)
		default:
			text := s.here(name, self, []string{read(s.T, filepath.Join(composeDir, source))})[0]
			copied := filepath.Join(s.dir, self+"-"+filepath.Base(path))
			if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
				s.Fatal(err)
			}
			return copied
		}
	}
	s.Fatalf("%s has no %s", name, path)
	return ""
}

// awaitHealthy asks what the healthcheck of a service asks.
func (s *stage) awaitHealthy(name string) {
	s.Helper()
	test := s.Services[name].Healthcheck.Test
	url := s.here(name, name, test[len(test)-1:])[0]
	s.await(name, func() bool { return answers(s.Context(), url) })
}

// awaitReady waits until a process says itself that it does its work.
func (s *stage) awaitReady(self string) {
	s.Helper()
	name, _, _ := strings.Cut(self, "#")
	switch {
	case len(s.Services[name].Healthcheck.Test) > 0:
		s.awaitHealthy(name)
	case name == "fakes":
		s.await(self, func() bool { return strings.Contains(s.log(self), "EXCHANGER_URL=") })
	default:
		s.await(self, func() bool {
			at := s.served(self)
			return at != "" && answers(s.Context(), "http://"+at+"/readyz")
		})
		for _, path := range []string{"/healthz", "/metrics"} {
			if !answers(s.Context(), "http://"+s.served(self)+path) {
				s.Errorf("%s does not answer at %s", self, path)
			}
		}
	}
}

// served is where a process has said that it serves health and metrics, which
// must be where it was told to.
func (s *stage) served(self string) string {
	var line struct{ Addr, Message string }
	for text := range strings.Lines(s.log(self)) {
		if strings.Contains(text, "health and metrics were served") && json.Unmarshal([]byte(text), &line) == nil {
			name, _, _ := strings.Cut(self, "#")
			told := s.here(name, self, []string{s.Services[name].Environment["HTTP_ADDR"]})[0]
			if line.Addr != told && !strings.HasSuffix(told, ":0") {
				s.Errorf("%s serves health at %s, not at %s", self, line.Addr, told)
			}
		}
	}
	return line.Addr
}

func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// await asks again and again, and starts a process again that has ended, as
// the engine would by its policy.
func (s *stage) await(self string, is func() bool) {
	s.Helper()
	deadline, again := time.NewTimer(patience), time.NewTicker(50*time.Millisecond)
	defer deadline.Stop()
	defer again.Stop()
	for !is() {
		if p := s.running[self]; !p.Running() {
			if err := p.Start(); err != nil {
				s.Fatal(err)
			}
		}
		select {
		case <-again.C:
		case <-deadline.C:
			s.Fatalf("%s is not ready\n%s", self, s.log(self))
		}
	}
}

func (s *stage) log(self string) string {
	text, err := s.running[self].Output.Text()
	if err != nil {
		s.Fatal(err)
	}
	return text
}

// end ends everything in the order in which a person would. A program has to
// drain in the time that its service is given.
func (s *stage) end() {
	stop := func(servers bool) {
		var group sync.WaitGroup
		for self, p := range s.running {
			name, _, _ := strings.Cut(self, "#")
			if (s.Services[name].program() == "") != servers || !p.Running() {
				continue
			}
			grace, err := time.ParseDuration(s.Services[name].StopGracePeriod)
			drains := strings.HasPrefix(name, "worker-") || name == "dispatcher"
			if err != nil && drains {
				s.Errorf("%s is given no time to end: %v", name, err)
			}
			group.Go(func() {
				p.Terminate(max(grace, time.Second))
				if text, err := p.Output.Text(); drains && (err != nil || !stopped.MatchString(text)) {
					s.Errorf("%s did not drain in %s: %v\n%s", self, grace, err, text)
				}
			})
		}
		group.Wait()
	}
	stop(false)
	stop(true)
}

// stopped is what a program says last when it has drained.
var stopped = regexp.MustCompile(`"exit":0,.*"message":"stopped"\}\s*$`)

// beltline runs the command line with the settings that setup has.
func (s *stage) beltline(args ...string) (stdout string, err error) {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(s.T, "beltline"), args...) //nolint:gosec // our own program
	cmd.Env = s.environ("setup", "setup")
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("beltline %v: %w", args, err)
	}
	return string(out), err
}
