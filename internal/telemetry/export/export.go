// Package export sends spans to an OpenTelemetry collector over OTLP/HTTP.
//
// It promises that nothing is traced, and nothing is sent anywhere, unless an
// endpoint is named in the environment or the configuration file
// (OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT); that a collector that does not answer
// costs neither time nor orders, only spans; and that what it complains about
// is a line in our log.
//
// It never traces what is not asked for: OTEL_TRACES_SAMPLER and the other
// variables of OpenTelemetry hold.
//
// internal/app imports it, once for each process.
package export

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// Options say whose spans are sent. All but Variables are required.
type Options struct {
	Service, Version, Instance string
	Environ                    map[string]string
	// Variables are set in addition to the environment, which has none of them.
	Variables map[string]string
	Log       zerolog.Logger
}

// the variables that turn it on or off.
const (
	endpoint       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	disabled       = "OTEL_SDK_DISABLED"
	exporter       = "OTEL_TRACES_EXPORTER"
	serviceName    = "OTEL_SERVICE_NAME"
)

// On reports whether the environment asks for traces.
func On(environ map[string]string) bool {
	return environ[endpoint]+environ[tracesEndpoint] != "" && !strings.EqualFold(environ[disabled], "true") && environ[exporter] != "none"
}

// Start sends the spans of this process from now on, if the environment asks
// for it. Stop sends what is left; it takes no longer than ctx allows.
func Start(ctx context.Context, o Options) (stop func(context.Context), err error) {
	environ := map[string]string{}
	maps.Copy(environ, o.Environ)
	maps.Copy(environ, o.Variables)
	o.Environ = environ
	if !On(o.Environ) {
		return func(context.Context) {}, nil
	}
	if err := hand(o.Variables); err != nil {
		return func(context.Context) {}, fmt.Errorf("traces: %w", err)
	}
	// The exporter reads the rest of the environment by itself.
	client, err := otlptracehttp.New(ctx, where(o.Environ)...)
	if err != nil {
		return func(context.Context) {}, fmt.Errorf("traces: %w", err)
	}
	name := o.Environ[serviceName]
	if name == "" {
		name = o.Service
	}
	own, err := resource.New(ctx, resource.WithFromEnv(), resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", name), attribute.String("service.namespace", "beltline"),
		attribute.String("service.version", o.Version), attribute.String("service.instance.id", o.Instance)))
	if err != nil {
		o.Log.Warn().Err(err).Msg("part of OTEL_RESOURCE_ATTRIBUTES cannot be used")
	}
	otel.SetErrorHandler(&complaints{log: o.Log})
	provider := sdk.NewTracerProvider(sdk.WithBatcher(client), sdk.WithResource(own))
	otel.SetTracerProvider(provider)
	o.Log.Info().Msg("traces were turned on")
	return func(ctx context.Context) {
		if err := provider.Shutdown(ctx); err != nil {
			o.Log.Warn().Err(err).Msg("the last traces were not sent")
		}
	}, nil
}

// where is the endpoint as the environment names it, for a caller that brings
// another environment than that of the process.
func where(environ map[string]string) []otlptracehttp.Option {
	switch {
	case environ[tracesEndpoint] != "":
		return []otlptracehttp.Option{otlptracehttp.WithEndpointURL(environ[tracesEndpoint])}
	default:
		return []otlptracehttp.Option{otlptracehttp.WithEndpointURL(strings.TrimSuffix(environ[endpoint], "/") + "/v1/traces")}
	}
}

// complaints logs what the SDK complains about, but not each time: a collector
// that is away would fill the log.
type complaints struct {
	log  zerolog.Logger
	mu   sync.Mutex
	last time.Time
}

// Handle is called by the SDK.
func (c *complaints) Handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.last) > time.Minute {
		c.last = now
		c.log.Warn().Err(err).Msg("traces were not sent")
	}
}
