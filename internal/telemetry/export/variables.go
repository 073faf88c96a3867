package export

import (
	"os"
	"strings"
)

// Variables are those of OpenTelemetry that are read here, by the SDK and by the
// exporter. One that is not among them does nothing.
var Variables = append(strings.Fields(`
	OTEL_SDK_DISABLED OTEL_SERVICE_NAME OTEL_RESOURCE_ATTRIBUTES OTEL_TRACES_EXPORTER OTEL_TRACES_SAMPLER OTEL_TRACES_SAMPLER_ARG
	OTEL_BSP_SCHEDULE_DELAY OTEL_BSP_EXPORT_TIMEOUT OTEL_BSP_MAX_QUEUE_SIZE OTEL_BSP_MAX_EXPORT_BATCH_SIZE
	OTEL_ATTRIBUTE_COUNT_LIMIT OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT
	OTEL_SPAN_EVENT_COUNT_LIMIT OTEL_SPAN_LINK_COUNT_LIMIT OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT OTEL_LINK_ATTRIBUTE_COUNT_LIMIT`),
	append(ofExporter("OTEL_EXPORTER_OTLP_"), ofExporter(ofTraces)...)...)

const ofTraces = "OTEL_EXPORTER_OTLP_TRACES_"

func ofExporter(prefix string) (all []string) {
	for _, what := range strings.Fields("ENDPOINT HEADERS TIMEOUT COMPRESSION PROTOCOL INSECURE CERTIFICATE CLIENT_CERTIFICATE CLIENT_KEY") {
		all = append(all, prefix+what)
	}
	return all
}

// Help names the variables, for people.
func Help() string {
	var named []string
	for _, name := range Variables {
		if !strings.HasPrefix(name, ofTraces) {
			named = append(named, name)
		}
	}
	return "Traces are turned on by " + endpoint + ". Of OpenTelemetry's variables these are read, from the environment or the file: " +
		strings.Join(named, ", ") + "; each of the last also as " + ofTraces + "…"
}

// hand puts variables where the SDK reads them, and reads nothing else: into the
// environment of the process.
func hand(variables map[string]string) error {
	for name, value := range variables {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}
