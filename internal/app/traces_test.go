package app_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/telemetry"
	"github.com/beltline-io/beltline/internal/telemetry/export"
)

func TestLoad_TakesTheVariablesOfTracesFromTheFileUnlessTheEnvironmentHasThem(t *testing.T) {
	t.Parallel()
	file := "otel_service_name: file\notel: {traces: {sampler: always_on}}\notel-exporter-otlp-headers: a=b\n"
	_, loaded, err := load(t, env("OTEL_SERVICE_NAME", "env", "OTEL_TRACES_SAMPLER", ""), "--config", write(t, file))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"OTEL_TRACES_SAMPLER": "always_on", "OTEL_EXPORTER_OTLP_HEADERS": "a=b"}
	if diff := cmp.Diff(want, loaded.Traces); diff != "" {
		t.Error(diff)
	}
	_, _, err = load(t, env(), "--config", write(t, "otel_exporter_otlp_endpont: http://canary\n"))
	if got := faults(t, err); len(got) != 1 || !strings.Contains(err.Error(), `line 1: unknown key "otel_exporter_otlp_endpont"`) {
		t.Errorf("misspelt: %v", err)
	}
}

func TestLoad_HelpNamesTheVariablesOfTraces(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	_, err := app.Load(new(workerConfig), app.Input{Name: "worker-gamesdrop", Args: []string{"--help"}, Stdout: &out})
	if exit := new(app.ExitError); !errors.As(err, exit) {
		t.Fatal(err)
	}
	for _, name := range export.Variables {
		if !strings.Contains(out.String(), strings.TrimPrefix(name, "OTEL_EXPORTER_OTLP_TRACES_")) {
			t.Errorf("help does not name %s", name)
		}
	}
}

// What the file says of traces reaches the SDK, which reads the environment of
// the process and nothing else; hence a test that is not parallel.
func TestExecute_TracesAsTheFileSays(t *testing.T) {
	for _, name := range export.Variables {
		t.Setenv(name, "")
	}
	keys := make(chan string, 8)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { keys <- r.Header.Get("X-Key") }))
	t.Cleanup(collector.Close)
	file := write(t, "otel_exporter_otlp:\n  endpoint: "+collector.URL+"\n  headers: x-key=of-the-file\n")
	environ := map[string]string{"BELTLINE_CONFIG": file}
	maps.Copy(environ, env())
	s := natstest.Start(t)
	r := start(t, app.Process{Environ: environ, NATS: inProcess(s)}, func(ctx context.Context, _ *app.Runtime) error {
		_, span := telemetry.Serve(ctx, "probe", nil)
		span.End()
		return nil
	})
	r.exit(t, app.ExitOK)
	select {
	case key := <-keys:
		if key != "of-the-file" {
			t.Errorf("sent with the key %q", key)
		}
	default:
		t.Errorf("no span was sent; log:\n%s", r.log)
	}
}
