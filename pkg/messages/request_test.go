package messages_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/messages"
)

func TestDecodeCancelAndConfirm_ReadTheGoldenBodies(t *testing.T) {
	t.Parallel()
	cancel, err := messages.DecodeCancel(golden(t, "cancel.json"))
	if want := (messages.CancelOrder{ID: "ord-2026-000123", Reason: "the customer changed their mind"}); err != nil || cancel != want {
		t.Errorf("cancel %+v, %v", cancel, err)
	}
	confirm, err := messages.DecodeConfirm(golden(t, "confirm.json"))
	if want := (messages.ConfirmOrder{ID: "ord-2026-000125"}); err != nil || confirm != want {
		t.Errorf("confirm %+v, %v", confirm, err)
	}
	if _, err := messages.DecodeCancel([]byte(`{"v":1,"id":"a"}`)); err != nil {
		t.Errorf("a cancel without a reason: %v", err)
	}
}

// What is only shown to people must not keep an order from being canceled.
func TestDecodeCancel_TakesAnyReasonAndKeepsWhatCanBeShown(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{
		``: "", `a\nb\u0000`: "a b", strings.Repeat("я", 300): strings.Repeat("я", 256), `  \u0085 `: "",
	} {
		got, err := messages.DecodeCancel([]byte(`{"v":1,"id":"a","reason":"` + reason + `"}`))
		if err != nil || got.Reason != want || got.ID != "a" {
			t.Errorf("%.20q: %+v, %v", reason, got, err)
		}
	}
}

func TestDecodeCancelAndConfirm_AreStrict(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, id, cancel, confirm string }{
		{"not JSON", `{`, "", "_", "_"},
		{"a list", `[]`, "", "_", "_"},
		{"empty object", `{}`, "", "/id /v", "/id /v"},
		{"usable id", `{"v":2,"id":"a","x":1}`, "a", "/v /x", "/v /x"},
		{"unusable id", `{"v":1,"id":"a b"}`, "", "/id", "/id"},
		{"duplicate id", `{"v":1,"id":"a","id":"a"}`, "", "/id", "/id"},
		{"null reason", `{"v":1,"id":"a","reason":null}`, "a", "/reason", "/reason"},
		{"trailing", `{"v":1,"id":"a"}{}`, "", "_", "_"},
		{"too long", `{"v":1,"id":"a"}` + strings.Repeat(" ", messages.MaxOrderBytes), "", "_", "_"},
	}
	for _, tt := range tests {
		_, cancelErr := messages.DecodeCancel([]byte(tt.body))
		_, confirmErr := messages.DecodeConfirm([]byte(tt.body))
		for i, err := range []error{cancelErr, confirmErr} {
			var invalid *messages.InvalidError
			if !errors.As(err, &invalid) {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			want := strings.Split(strings.ReplaceAll([]string{tt.cancel, tt.confirm}[i], "_", ""), " ")
			if diff := cmp.Diff(want, pointersOf(invalid)); diff != "" || invalid.ID != tt.id {
				t.Errorf("%s: ID %q\n%s", tt.name, invalid.ID, diff)
			}
		}
	}
}
