package topology_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

func bucket(t *testing.T, js jetstream.JetStream) jetstream.KeyValue {
	t.Helper()
	kv, err := js.KeyValue(t.Context(), messages.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func forgetInStream(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	change(t, js, messages.StreamEvents, func(c *jetstream.StreamConfig) { delete(c.Metadata, topology.MetaNamespace) })
}

func forgetInBucket(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	if err := bucket(t, js).Purge(t.Context(), topology.NamespaceKey); err != nil {
		t.Fatal(err)
	}
}

func namespace(t *testing.T, js jetstream.JetStream) string {
	t.Helper()
	ns, err := topology.Namespace(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

func TestNamespace_IsRandomAndInBothPlaces(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for range 2 {
		js := natstest.Start(t).JS(t)
		ns := setUp(t, js, small()).Namespace
		if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(ns) || seen[ns] {
			t.Errorf("namespace %q", ns)
		}
		seen[ns] = true
		entry, err := bucket(t, js).Get(t.Context(), "namespace")
		if err != nil || string(entry.Value()) != ns {
			t.Errorf("bucket: %v, %v", entry, err)
		}
		if got := config(t, js, messages.StreamEvents).Metadata[topology.MetaNamespace]; got != ns {
			t.Errorf("metadata: %q", got)
		}
	}
}

func TestNamespace_IsRestoredFromThePlaceThatStillHasIt(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]func(*testing.T, jetstream.JetStream){
		"metadata lost": forgetInStream,
		"key lost":      forgetInBucket,
		"bucket lost": func(t *testing.T, js jetstream.JetStream) {
			if err := js.DeleteKeyValue(t.Context(), messages.Bucket); err != nil {
				t.Fatal(err)
			}
		},
		"ledger made anew": func(t *testing.T, js jetstream.JetStream) {
			if err := js.DeleteStream(t.Context(), messages.StreamEvents); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := natstest.Start(t).JS(t)
			want := setUp(t, js, small()).Namespace
			forget(t, js)
			if got := setUp(t, js, small()).Namespace; got != want {
				t.Fatalf("a second namespace %q after %q: every reference would be new to the providers", got, want)
			}
			forgetInStream(t, js)
			if got := namespace(t, js); got != want {
				t.Errorf("bucket says %q", got)
			}
			setUp(t, js, small())
			forgetInBucket(t, js)
			if got := namespace(t, js); got != want {
				t.Errorf("metadata says %q", got)
			}
		})
	}
}

func TestNamespace_TwoDifferentOnesAreRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	mine := setUp(t, js, small()).Namespace
	other := strings.Repeat("ab", 16)
	change(t, js, messages.StreamEvents, func(c *jetstream.StreamConfig) { c.Metadata[topology.MetaNamespace] = other })

	_, err := topology.Setup(t.Context(), js, small())
	_, readErr := topology.Namespace(t.Context(), js)
	verifyErr := topology.Verify(t.Context(), js, messages.GamesDrop, small())
	for what, err := range map[string]error{"Setup": err, "Namespace": readErr, "Verify": verifyErr} {
		if !errors.Is(err, topology.ErrNamespace) || !strings.Contains(err.Error(), mine) || !strings.Contains(err.Error(), other) {
			t.Errorf("%s: %v", what, err)
		}
	}
	entry, err := bucket(t, js).Get(t.Context(), topology.NamespaceKey)
	if err != nil || string(entry.Value()) != mine {
		t.Errorf("the key was changed: %v, %v", entry, err)
	}
	if got := config(t, js, messages.StreamEvents).Metadata[topology.MetaNamespace]; got != other {
		t.Errorf("the metadata was changed: %q", got)
	}
}

func TestNamespace_AMalformedOneIsRefused(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	setUp(t, js, small())
	if _, err := bucket(t, js).PutString(t.Context(), topology.NamespaceKey, "beltline"); err != nil {
		t.Fatal(err)
	}
	if _, err := topology.Namespace(t.Context(), js); !errors.Is(err, topology.ErrNamespace) {
		t.Errorf("got %v", err)
	}
}

func TestNamespace_BeforeSetupIsNotSetUp(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	if _, err := topology.Namespace(t.Context(), js); !errors.Is(err, topology.ErrNotSetUp) {
		t.Errorf("empty server: %v", err)
	}
	setUp(t, js, small())
	forgetInBucket(t, js)
	forgetInStream(t, js)
	if _, err := topology.Namespace(t.Context(), js); !errors.Is(err, topology.ErrNotSetUp) {
		t.Errorf("lost in both places: %v", err)
	}
}
