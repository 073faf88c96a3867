package deploy_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	sigsjson "sigs.k8s.io/json"
)

// kustomization is what a kustomization.yaml of ours may say.
type kustomization struct {
	APIVersion         string `yaml:"apiVersion"`
	Kind               string
	Namespace          string
	Resources          []string
	ConfigMapGenerator []struct {
		Name     string
		Behavior string
		Literals []string
	} `yaml:"configMapGenerator"`
	Images  []struct{ Name, NewTag string }
	Patches []struct{ Path string }
}

// object is a Kubernetes object that was read and not yet decoded.
type object = map[string]any

func kindOf(o object) string {
	kind, _ := o["kind"].(string)
	return kind
}

func nameOf(o object) string {
	meta, _ := o["metadata"].(object)
	name, _ := meta["name"].(string)
	return name
}

// overlays are the folders that somebody applies.
var overlays = []string{"base", "production"}

// build does what `kubectl kustomize` does with what our files use of it.
func build(t *testing.T, dir string) map[string]object {
	t.Helper()
	var k kustomization
	text := strings.ReplaceAll(read(t, filepath.Join(dir, "kustomization.yaml")), "newTag:", "newtag:")
	dec := yaml.NewDecoder(strings.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&k); err != nil || k.Kind != "Kustomization" || k.APIVersion != "kustomize.config.k8s.io/v1beta1" || k.Namespace != "beltline" {
		t.Fatalf("%s: %+v: %v", dir, k, err)
	}
	all := map[string]object{}
	for _, r := range k.Resources {
		below := map[string]object{}
		if filepath.Ext(r) == "" {
			below = build(t, filepath.Join(dir, r))
		} else {
			for _, o := range documents(t, filepath.Join(dir, r)) {
				below[kindOf(o)+"/"+nameOf(o)] = o
			}
		}
		for key, o := range below {
			if all[key] != nil {
				t.Errorf("%s: there are two of %s", dir, key)
			}
			all[key] = o
		}
	}
	k.generate(t, all)
	for _, p := range k.Patches {
		for _, patch := range documents(t, filepath.Join(dir, p.Path)) {
			key := kindOf(patch) + "/" + nameOf(patch)
			if all[key] == nil {
				t.Fatalf("%s patches %s, which does not exist", p.Path, key)
			}
			strict(t, p.Path, patch)
			all[key] = patched(all[key], patch).(object)
		}
	}
	k.tag(t, all)
	return all
}

// generate makes the configuration that is told in literals.
func (k *kustomization) generate(t *testing.T, all map[string]object) {
	t.Helper()
	for _, g := range k.ConfigMapGenerator {
		key, data := "ConfigMap/"+g.Name, object{}
		if g.Behavior == "merge" {
			if all[key] == nil {
				t.Fatalf("nothing to merge %s with", g.Name)
			}
			data = maps.Clone(all[key]["data"].(object))
		}
		for _, l := range g.Literals {
			name, value, ok := strings.Cut(l, "=")
			_, known := data[name]
			if !ok || (g.Behavior == "merge" && !known) {
				t.Errorf("%s: %q is nobody's", g.Name, l)
			}
			data[name] = value
		}
		all[key] = object{"apiVersion": "v1", "kind": "ConfigMap", "metadata": object{"name": g.Name}, "data": data}
	}
}

// tag gives images their tags.
func (k *kustomization) tag(t *testing.T, all map[string]object) {
	t.Helper()
	for _, image := range k.Images {
		used := false
		for _, o := range all {
			each(o, func(inner object) {
				if inner["image"] == image.Name {
					inner["image"], used = image.Name+":"+image.NewTag, true
				}
			})
		}
		if !used {
			t.Errorf("nothing runs the image %s", image.Name)
		}
	}
}

// each visits every mapping in a value.
func each(v any, visit func(object)) {
	switch v := v.(type) {
	case object:
		visit(v)
		for _, inner := range v {
			each(inner, visit)
		}
	case []any:
		for _, inner := range v {
			each(inner, visit)
		}
	}
}

func documents(t *testing.T, path string) (all []object) {
	t.Helper()
	dec := yaml.NewDecoder(strings.NewReader(read(t, path)))
	for {
		var o object
		switch err := dec.Decode(&o); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, o)
	}
}

// patched lays a patch over an object: mappings by key, null takes away, and
// lists of what has a name, a path to be mounted at or a topology by that.
func patched(below, above any) any {
	switch a := above.(type) {
	case object:
		b, _ := below.(object)
		b = maps.Clone(b)
		if b == nil {
			b = object{}
		}
		for key, value := range a {
			if value == nil {
				delete(b, key)
			} else {
				b[key] = patched(b[key], value)
			}
		}
		return b
	case []any:
		b, _ := below.([]any)
		b = slices.Clone(b)
		for _, value := range a {
			i := slices.IndexFunc(b, func(old any) bool { return identity(old) != "" && identity(old) == identity(value) })
			if i < 0 {
				b = append(b, value)
			} else {
				b[i] = patched(b[i], value)
			}
		}
		return b
	default:
		return above
	}
}

// identity is what tells an element of a list from the others.
func identity(v any) string {
	o, _ := v.(object)
	for _, key := range []string{"mountPath", "topologyKey", "containerPort", "name"} {
		if s, ok := o[key].(string); ok {
			return key + " " + s
		}
	}
	return ""
}

// strict decodes an object into the type that the API has for it; what the type
// has no field for is an error.
func strict(t *testing.T, where string, o object) any {
	t.Helper()
	into, err := decoded(o)
	if err != nil {
		t.Errorf("%s: %s %s: %v", where, kindOf(o), nameOf(o), err)
	}
	return into
}

func decoded(o object) (into any, err error) {
	switch kind := o["apiVersion"].(string) + " " + kindOf(o); kind {
	case "v1 Namespace":
		into = new(corev1.Namespace)
	case "v1 ServiceAccount":
		into = new(corev1.ServiceAccount)
	case "v1 Service":
		into = new(corev1.Service)
	case "v1 ConfigMap":
		into = new(corev1.ConfigMap)
	case "apps/v1 Deployment":
		into = new(appsv1.Deployment)
	case "policy/v1 PodDisruptionBudget":
		into = new(policyv1.PodDisruptionBudget)
	case "networking.k8s.io/v1 NetworkPolicy":
		into = new(networkingv1.NetworkPolicy)
	case "networking.k8s.io/v1 Ingress":
		into = new(networkingv1.Ingress)
	case "monitoring.coreos.com/v1 ServiceMonitor":
		into = new(serviceMonitor)
	case "keda.sh/v1alpha1 ScaledObject":
		into = new(scaledObject)
	default:
		return nil, errors.New("nobody knows a " + kind)
	}
	body, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	// As the API server does: encoding/json would take a name in other letters,
	// which the server drops.
	unknown, err := sigsjson.UnmarshalStrict(body, into)
	return into, errors.Join(append(unknown, err)...)
}

// serviceMonitor is what ours says of the Prometheus operator's type.
type serviceMonitor struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		JobLabel        string   `json:"jobLabel"`
		PodTargetLabels []string `json:"podTargetLabels"`
		Selector        struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		Endpoints []struct {
			Port          string `json:"port"`
			Path          string `json:"path"`
			Interval      string `json:"interval"`
			ScrapeTimeout string `json:"scrapeTimeout"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// scaledObject is what ours says of KEDA's type, with the settings of its
// scaler for JetStream.
type scaledObject struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		ScaleTargetRef struct {
			Name string `json:"name"`
		} `json:"scaleTargetRef"`
		MinReplicaCount int `json:"minReplicaCount"`
		MaxReplicaCount int `json:"maxReplicaCount"`
		PollingInterval int `json:"pollingInterval"`
		CooldownPeriod  int `json:"cooldownPeriod"`
		Triggers        []struct {
			Type     string `json:"type"`
			Metadata struct {
				Endpoint   string `json:"natsServerMonitoringEndpoint"`
				Account    string `json:"account"`
				Stream     string `json:"stream"`
				Consumer   string `json:"consumer"`
				Lag        string `json:"lagThreshold"`
				Activation string `json:"activationLagThreshold"`
				HTTPS      string `json:"useHttps"`
			} `json:"metadata"`
		} `json:"triggers"`
	} `json:"spec"`
}

// TestStrict_SeesATypingMistake: a manifest with one is accepted by most tools
// and does something else.
func TestStrict_SeesATypingMistake(t *testing.T) {
	t.Parallel()
	for _, dir := range overlays {
		for _, o := range build(t, filepath.Join(deployDir, "k8s", dir)) {
			for _, field := range []string{"metadatas", "Metadata"} {
				broken := maps.Clone(o)
				broken[field] = object{}
				if _, err := decoded(broken); err == nil {
					t.Errorf("%s %s may have a field %s", kindOf(o), nameOf(o), field)
				}
			}
			spec, ok := o["spec"].(object)
			if !ok {
				continue
			}
			broken := maps.Clone(o)
			broken["spec"] = maps.Clone(spec)
			broken["spec"].(object)["replica"] = 3
			if _, err := decoded(broken); err == nil {
				t.Errorf("%s %s may have a field that nobody knows", kindOf(o), nameOf(o))
			}
		}
	}
}
