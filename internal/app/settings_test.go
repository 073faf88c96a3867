package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/messages"
)

// setting finds one by its name.
func setting(t *testing.T, loaded *app.Loaded, name string) app.Setting {
	t.Helper()
	for _, s := range loaded.Settings {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("there is no setting %s in %v", name, loaded.Settings)
	return app.Setting{}
}

func TestLoad_TellsOfEachSettingWhereItComesFrom(t *testing.T) {
	t.Parallel()
	file := write(t, "log_level: warn\ngamesdrop:\n  timeout: 9s\n")
	token := write(t, "canary-token\n")
	environ := map[string]string{"GAMESDROP_TOKEN_FILE": token, "POLL_MAX": "2h", "BELTLINE_CONFIG": file}
	_, loaded, err := load(t, environ, "--max-in-flight=7")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []app.Setting{
		{Name: "LOG_LEVEL", Value: "warn", Source: "file", Where: "line 1 of " + file},
		{Name: "GAMESDROP_TIMEOUT", Value: "9s", Source: "file", Where: "line 3 of " + file},
		{Name: "POLL_MAX", Value: "2h0m0s", Source: "env", Where: "POLL_MAX"},
		{Name: "MAX_IN_FLIGHT", Value: "7", Source: "flag", Where: "--max-in-flight"},
		{Name: "GAMESDROP_TOKEN", Value: "***", Source: "file", Where: "the file of GAMESDROP_TOKEN_FILE"},
		{Name: "POLL_FIRST", Value: "2s", Source: "default"},
	} {
		if diff := cmp.Diff(want, setting(t, loaded, want.Name)); diff != "" {
			t.Error(diff)
		}
	}
	if d := loaded.Deadlines[messages.GamesDrop]; d.Lease.String() != "14s" || d.AckWait.String() != "24s" {
		t.Errorf("deadlines %+v", d)
	}
}

func TestLoad_TellsWhatItCouldReadBesideTheFaultsAndNoSecretOfThem(t *testing.T) {
	t.Parallel()
	environ := map[string]string{"GAMESDROP_TOKEN_FILE": "canary-in-the-wrong-place", "POLL_MAX": "soon", "LOG_LEVEL": "warn"}
	_, loaded, err := load(t, environ)
	if diff := cmp.Diff([]string{"GAMESDROP_TOKEN_FILE", "POLL_MAX"}, faults(t, err)); diff != "" {
		t.Error(diff)
	}
	if s := setting(t, loaded, "LOG_LEVEL"); s.Value != "warn" {
		t.Errorf("%+v", s)
	}
	if s := setting(t, loaded, "POLL_MAX"); s.Value != "(cannot be read)" || s.Source != "env" {
		t.Errorf("%+v", s)
	}
	if text := fmt.Sprintf("%+v", loaded.Settings); strings.Contains(text, "canary") {
		t.Errorf("a secret is shown: %s", text)
	}
}
