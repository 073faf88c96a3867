package programs_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
)

// What only an adapter or the door can refuse must keep the worker from
// starting, like every other fault: with code 2, and before it connects.
func TestCheck_WhatAnAdapterRefusesIsAFaultOfTheConfiguration(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"NATS_URL": "nats://127.0.0.1:1", "EXCHANGER_URL": "https://example.com/api/userapi/v1", "EXCHANGER_API_LOGIN": "login", "EXCHANGER_API_KEY": "key",
		"WEBHOOK_ADDR": "127.0.0.1:0", "WEBHOOK_PUBLIC_URL": "https://example.com", "WEBHOOK_SECRET": "canary-0123456789",
	}
	if _, err := programs.Exchanger().Load(app.Input{Environ: good}); err != nil {
		t.Errorf("nothing is wrong: %v", err)
	}
	for _, tt := range []struct{ name, value, says string }{
		{"EXCHANGER_LANG", "english", "the language must be as en_US"},
		{"EXCHANGER_API_KEY", "canary-ключ", "no usable API key"},
		{"WEBHOOK_PUBLIC_URL", "https://example.com/a%2Fb", "the public URL is not of the form"},
		{"WEBHOOK_SECRET", ",", "no secret to make tokens with"},
	} {
		env := map[string]string{}
		for name, value := range good {
			env[name] = value
		}
		env[tt.name] = tt.value
		var out bytes.Buffer
		code := programs.Exchanger().Execute(t.Context(), app.Process{Environ: env, Stderr: &out})
		if code != app.ExitConfig || !strings.Contains(out.String(), tt.says) || strings.Contains(out.String(), "canary") {
			t.Errorf("%s: code %d: %s", tt.name, code, out.String())
		}
	}
}
