package deploy_test

import (
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beltline-io/beltline/pkg/messages"
)

// cluster is everything that an overlay makes.
type cluster struct {
	*testing.T
	deployments map[string]*appsv1.Deployment
	configs     map[string]*corev1.ConfigMap
	services    map[string]*corev1.Service
	accounts    map[string]*corev1.ServiceAccount
	budgets     map[string]*policyv1.PodDisruptionBudget
	policies    map[string]*networkingv1.NetworkPolicy
	ingresses   map[string]*networkingv1.Ingress
	scaled      map[string]*scaledObject
	monitors    map[string]*serviceMonitor
}

func overlay(t *testing.T, dir string) *cluster {
	t.Helper()
	c := &cluster{
		T: t, deployments: map[string]*appsv1.Deployment{}, configs: map[string]*corev1.ConfigMap{}, services: map[string]*corev1.Service{},
		accounts: map[string]*corev1.ServiceAccount{}, budgets: map[string]*policyv1.PodDisruptionBudget{}, policies: map[string]*networkingv1.NetworkPolicy{},
		ingresses: map[string]*networkingv1.Ingress{}, scaled: map[string]*scaledObject{}, monitors: map[string]*serviceMonitor{},
	}
	for _, o := range build(t, filepath.Join(deployDir, "k8s", dir)) {
		name := nameOf(o)
		switch d := strict(t, dir, o).(type) {
		case *appsv1.Deployment:
			c.deployments[name] = d
		case *corev1.ConfigMap:
			c.configs[name] = d
		case *corev1.Service:
			c.services[name] = d
		case *corev1.ServiceAccount:
			c.accounts[name] = d
		case *policyv1.PodDisruptionBudget:
			c.budgets[name] = d
		case *networkingv1.NetworkPolicy:
			c.policies[name] = d
		case *networkingv1.Ingress:
			c.ingresses[name] = d
		case *scaledObject:
			c.scaled[name] = d
		case *serviceMonitor:
			c.monitors[name] = d
		}
	}
	return c
}

// forOverlays runs a test for every folder that somebody applies.
func forOverlays(t *testing.T, test func(*cluster)) {
	t.Helper()
	for _, dir := range overlays {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			test(overlay(t, dir))
		})
	}
}

// environ is what a container is told.
func (c *cluster) environ(container corev1.Container) map[string]string {
	c.Helper()
	all := map[string]string{}
	for _, from := range container.EnvFrom {
		if from.ConfigMapRef == nil || c.configs[from.ConfigMapRef.Name] == nil {
			c.Fatalf("%s is told by something that does not exist", container.Name)
		}
		maps.Copy(all, c.configs[from.ConfigMapRef.Name].Data)
	}
	for _, e := range container.Env {
		all[e.Name] = e.Value
		if e.ValueFrom == nil {
			continue
		}
		ref := e.ValueFrom.ConfigMapKeyRef
		if ref == nil || c.configs[ref.Name] == nil || c.configs[ref.Name].Data[ref.Key] == "" {
			c.Errorf("%s of %s comes from nowhere", e.Name, container.Name)
			continue
		}
		all[e.Name] = c.configs[ref.Name].Data[ref.Key]
	}
	return all
}

// imageOf is the program that an image holds.
func (c *cluster) imageOf(container corev1.Container) string {
	c.Helper()
	name, ours := strings.CutPrefix(container.Image, "ghcr.io/beltline-io/")
	name, _, _ = strings.Cut(name, ":")
	if targets := dockerTargets(c.T); !ours || targets[name] == "" || len(container.Command) > 0 {
		c.Errorf("%s runs %v of the image %s, which the Dockerfile does not make", container.Name, container.Command, container.Image)
	}
	return name
}

func TestKubernetes_EveryProgramRunsAndStartsWithWhatItIsTold(t *testing.T) {
	t.Parallel()
	forOverlays(t, func(c *cluster) {
		runs := map[string]bool{}
		for name, d := range c.deployments {
			pod := d.Spec.Template.Spec
			for _, container := range append(slices.Clone(pod.InitContainers), pod.Containers...) {
				program := c.imageOf(container)
				runs[program] = true
				environ := c.environ(container)
				startsWith(c.T, name+"/"+container.Name, program, container.Args, withSecrets(c.T, environ, "/run/secrets/"))
				for variable, value := range environ {
					if strings.HasPrefix(value, "/run/secrets/") && !slices.ContainsFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool {
						return m.MountPath == path.Dir(value) && m.ReadOnly
					}) {
						c.Errorf("%s of %s/%s is mounted nowhere: %s", variable, name, container.Name, value)
					}
				}
				if program != "beltline" && container.Name != program {
					c.Errorf("%s is called %s", program, container.Name)
				}
			}
		}
		for _, program := range commands(c.T) {
			if !runs[program] {
				c.Errorf("nothing runs %s", program)
			}
		}
	})
}

func TestKubernetes_EveryPodIsLockedDownProbedAndBounded(t *testing.T) {
	t.Parallel()
	forOverlays(t, func(c *cluster) {
		for name, d := range c.deployments {
			pod := d.Spec.Template.Spec
			c.locked(name, pod)
			if !selects(d.Spec.Selector, d.Spec.Template.Labels) {
				c.Errorf("%s does not select its own pods", name)
			}
			for _, spread := range pod.TopologySpreadConstraints {
				if !selects(spread.LabelSelector, d.Spec.Template.Labels) {
					c.Errorf("%s spreads somebody else's pods", name)
				}
			}
			budget := c.budgets[name]
			if len(pod.TopologySpreadConstraints) == 0 || budget == nil || !selects(budget.Spec.Selector, d.Spec.Template.Labels) {
				c.Errorf("%s is not spread, or not kept from being evicted altogether", name)
			}
			volumes := map[string]bool{}
			for _, v := range pod.Volumes {
				volumes[v.Name] = v.Secret != nil && v.Secret.DefaultMode != nil && *v.Secret.DefaultMode == 0o440
			}
			for _, container := range append(slices.Clone(pod.InitContainers), pod.Containers...) {
				c.bounded(name, container)
				for _, m := range container.VolumeMounts {
					if !volumes[m.Name] {
						c.Errorf("%s mounts %s, which is no secret that only its group reads", container.Name, m.Name)
					}
				}
			}
			for _, container := range pod.Containers {
				c.probed(container, time.Duration(*pod.TerminationGracePeriodSeconds)*time.Second)
			}
		}
	})
}

// locked checks what a pod may do.
func (c *cluster) locked(name string, pod corev1.PodSpec) {
	c.Helper()
	s := pod.SecurityContext
	if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser == nil || *s.RunAsUser != 65532 ||
		s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || s.FSGroup == nil {
		c.Errorf("%s runs with %+v", name, s)
	}
	account := c.accounts[pod.ServiceAccountName]
	if account == nil || pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken || pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
		c.Errorf("%s gets what it does not need of the cluster", name)
	}
}

// bounded checks what a container may do and take.
func (c *cluster) bounded(name string, container corev1.Container) {
	c.Helper()
	s := container.SecurityContext
	if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
		s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
		c.Errorf("%s/%s runs with %+v", name, container.Name, s)
	}
	limit := container.Resources.Limits.Memory()
	if limit.IsZero() || container.Resources.Requests.Memory().IsZero() || container.Resources.Requests.Cpu().IsZero() {
		c.Errorf("%s/%s asks for nothing or has no limit", name, container.Name)
	}
	told := c.environ(container)["GOMEMLIMIT"]
	if told == "" {
		return // it ends before it has collected anything
	}
	soft, err := resource.ParseQuantity(strings.TrimSuffix(told, "B"))
	if share := soft.Value() * 100 / limit.Value(); err != nil || share < 75 || share > 95 {
		c.Errorf("%s/%s: GOMEMLIMIT is %s of %s", name, container.Name, told, limit)
	}
}

// probed checks the probes of a program, and that it is given time to drain.
func (c *cluster) probed(container corev1.Container, grace time.Duration) {
	c.Helper()
	environ := c.environ(container)
	listens := map[string]int32{}
	for _, p := range container.Ports {
		listens[p.Name] = p.ContainerPort
	}
	for variable, port := range map[string]string{"HTTP_ADDR": "http", "WEBHOOK_ADDR": "webhook"} {
		want, has := environ[variable]
		if has != (listens[port] != 0) || has && want != ":"+strconv.Itoa(int(listens[port])) {
			c.Errorf("%s listens on %s %q, and its port %s is %d", container.Name, variable, want, port, listens[port])
		}
	}
	for path, probe := range map[string]*corev1.Probe{"/healthz": container.LivenessProbe, "/readyz": container.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != path || probe.HTTPGet.Port.StrVal != "http" {
			c.Errorf("%s is not asked for %s: %+v", container.Name, path, probe)
		}
	}
	drain, err := time.ParseDuration(environ["DRAIN_TIMEOUT"])
	if err != nil || grace < drain+5*time.Second {
		c.Errorf("%s is killed after %s and may drain for %s", container.Name, grace, drain)
	}
	if environ["GOMEMLIMIT"] == "" || environ["NATS_CONTEXT"] == "" || environ["NATS_REPLICAS"] != "3" {
		c.Errorf("%s is not told enough: %v", container.Name, environ)
	}
}

// selects reports whether a selector takes what has these labels.
func selects(s *metav1.LabelSelector, labels map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && s != nil && selector.Matches(labelSet(labels))
}

type labelSet map[string]string

func (l labelSet) Has(label string) bool              { _, ok := l[label]; return ok }
func (l labelSet) Get(label string) string            { return l[label] }
func (l labelSet) Lookup(label string) (string, bool) { v, ok := l[label]; return v, ok }

// port finds a port among those of the pods with these labels, in the order of
// the selector's own rules.
func (c *cluster) port(s *metav1.LabelSelector, port intstr.IntOrString) (pods int, missing []string) {
	for name, d := range c.deployments {
		if !selects(s, d.Spec.Template.Labels) {
			continue
		}
		pods++
		if !slices.ContainsFunc(d.Spec.Template.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool {
			return p.Name == port.StrVal || port.StrVal == "" && p.ContainerPort == port.IntVal
		}) {
			missing = append(missing, name)
		}
	}
	return pods, missing
}

func TestKubernetes_NothingPassesTheNetworkButWhatIsNeeded(t *testing.T) {
	t.Parallel()
	forOverlays(t, func(c *cluster) {
		deny := c.policies["default-deny"]
		if deny == nil || len(deny.Spec.PodSelector.MatchLabels)+len(deny.Spec.PodSelector.MatchExpressions)+len(deny.Spec.Ingress)+len(deny.Spec.Egress) > 0 ||
			len(deny.Spec.PolicyTypes) != 2 {
			c.Errorf("not everything is denied at first: %+v", deny)
		}
		for name, p := range c.policies {
			for _, rule := range p.Spec.Ingress {
				for _, port := range rule.Ports {
					if pods, missing := c.port(&p.Spec.PodSelector, *port.Port); pods == 0 || len(missing) > 0 || len(rule.From) == 0 {
						c.Errorf("%s: of %d pods %v do not listen on %s", name, pods, missing, port.Port)
					}
				}
			}
			for _, rule := range p.Spec.Egress {
				if len(rule.To) == 0 || len(rule.Ports) == 0 {
					c.Errorf("%s lets everything out", name)
				}
			}
		}
		for name, d := range c.deployments {
			isWorker := strings.HasPrefix(name, "worker-")
			if out := selects(&c.policies["workers-to-providers"].Spec.PodSelector, d.Spec.Template.Labels); out != isWorker {
				c.Errorf("%s may reach the world: %t", name, out)
			}
			if !selects(&c.policies["all-to-nats"].Spec.PodSelector, d.Spec.Template.Labels) {
				c.Errorf("%s cannot reach NATS", name)
			}
		}
		for name, s := range c.services {
			for _, port := range s.Spec.Ports {
				if pods, missing := c.port(&metav1.LabelSelector{MatchLabels: s.Spec.Selector}, port.TargetPort); pods == 0 || len(missing) > 0 {
					c.Errorf("the service %s: of %d pods %v do not listen on %s", name, pods, missing, port.TargetPort.String())
				}
			}
		}
	})
}

func TestKubernetes_CallbacksReachTheDoorOfTheirWorker(t *testing.T) {
	t.Parallel()
	c := overlay(t, "production")
	reached := map[string]bool{}
	for _, rule := range c.ingresses["webhooks"].Spec.Rules {
		for _, p := range rule.HTTP.Paths {
			backend := p.Backend.Service
			s := c.services[backend.Name]
			if s == nil || !slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == backend.Port.Name }) {
				t.Fatalf("%s leads to %s, which does not exist", p.Path, backend.Name)
			}
			reached[s.Spec.Selector["app.kubernetes.io/name"]+" https://"+rule.Host+p.Path] = true
		}
	}
	for name, d := range c.deployments {
		url := c.environ(d.Spec.Template.Spec.Containers[0])["WEBHOOK_PUBLIC_URL"]
		if calls := name == "worker-skinsback" || name == "worker-exchanger"; calls != (url != "") || calls && !reached[name+" "+url] {
			t.Errorf("%s is called at %q, and %v are reached", name, url, reached)
		}
	}
}

func TestKubernetes_WorkersFollowTheWorkWithinTheRateOfTheirProvider(t *testing.T) {
	t.Parallel()
	c := overlay(t, "production")
	account := holdsStreams(t)
	for _, p := range messages.Providers() {
		name := "worker-" + string(p)
		s, d := c.scaled[name], c.deployments[name]
		if s == nil || d == nil || s.Spec.ScaleTargetRef.Name != name || len(s.Spec.Triggers) != 1 {
			t.Fatalf("%s is not scaled: %+v", name, s)
		}
		if d.Spec.Replicas != nil {
			t.Errorf("%s: two decide how many there are", name)
		}
		m := s.Spec.Triggers[0].Metadata
		if s.Spec.Triggers[0].Type != "nats-jetstream" || m.Stream != messages.StreamCommands || m.Consumer != p.PlaceConsumer() || m.Lag == "" || m.Endpoint == "" || m.Account != account {
			t.Errorf("%s follows %+v", name, s.Spec.Triggers[0])
		}
		loaded, err := load(t, name, nil, withSecrets(t, c.environ(d.Spec.Template.Spec.Containers[0]), "/run/secrets/"))
		if err != nil {
			t.Fatal(err)
		}
		// What can be in flight at the limit, if every request takes all of its time.
		deadline := loaded.Deadlines[p]
		inFlight := int64(deadline.Rate.Requests) * int64(deadline.Timeout) / int64(deadline.Rate.Window)
		const slots = 64 // MAX_IN_FLIGHT
		if loaded.Effective["MAX_IN_FLIGHT"] != "64" {
			t.Errorf("MAX_IN_FLIGHT is %s", loaded.Effective["MAX_IN_FLIGHT"])
		}
		most := int(max(2, (inFlight+slots-1)/slots))
		if s.Spec.MinReplicaCount < 2 || s.Spec.MaxReplicaCount < s.Spec.MinReplicaCount || s.Spec.MaxReplicaCount > most {
			t.Errorf("%s: %d to %d replicas, and the provider's rate keeps %d busy", name, s.Spec.MinReplicaCount, s.Spec.MaxReplicaCount, most)
		}
	}
	if d := c.deployments["dispatcher"]; d.Spec.Replicas == nil || *d.Spec.Replicas < 2 {
		t.Error("one dispatcher is none when it ends")
	}
}

func TestKubernetes_MetricsAreReadUnderTheJobThatTheAlertsAskFor(t *testing.T) {
	t.Parallel()
	c := overlay(t, "production")
	m := c.monitors["beltline"]
	for _, s := range c.services {
		if !selects(&metav1.LabelSelector{MatchLabels: m.Spec.Selector.MatchLabels}, s.Labels) {
			continue
		}
		if s.Labels[m.Spec.JobLabel] != "beltline" || m.Spec.Endpoints[0].Path != "/metrics" || m.Spec.Endpoints[0].Port != s.Spec.Ports[0].Name {
			t.Errorf("%+v does not read %+v", m.Spec, s.Spec)
		}
		if pods, _ := c.port(&metav1.LabelSelector{MatchLabels: s.Spec.Selector}, intstr.FromString("http")); pods != len(c.deployments) {
			t.Errorf("metrics of %d programs are read, of %d", pods, len(c.deployments))
		}
		return
	}
	t.Error("no service is read")
}
