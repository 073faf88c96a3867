package messages_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"
	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/pkg/messages"
)

func sealKey(t testing.TB) (seed []byte, sealTo string) {
	t.Helper()
	seed, sealTo, err := messages.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	return seed, sealTo
}

func TestUnseal_OpensToTheLetterWhatWasSealed(t *testing.T) {
	t.Parallel()
	seed, sealTo := sealKey(t)
	rapid.Check(t, func(t *rapid.T) {
		goods := []byte(rapid.String().Draw(t, "goods"))
		sealed, err := messages.Seal(goods, sealTo)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := messages.Unseal(sealed, seed)
		if err != nil || !bytes.Equal(opened, goods) || !messages.IsSealed(sealed) {
			t.Fatalf("%q became %q, %v", goods, opened, err)
		}
	})
}

// The form is an xkey box as any NATS library makes it, not one of our own.
func TestSeal_IsOpenedByTheLibraryOfNATS(t *testing.T) {
	t.Parallel()
	seed, sealTo := sealKey(t)
	sealed, err := messages.Seal([]byte(`{"key":"K-1"}`), sealTo)
	if err != nil {
		t.Fatal(err)
	}
	var form struct{ Sealed, Sender string }
	if err := json.Unmarshal(sealed, &form); err != nil {
		t.Fatal(err)
	}
	box, err := base64.StdEncoding.DecodeString(form.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := nkeys.FromCurveSeed(seed)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := pair.Open(box, form.Sender); err != nil || string(opened) != `{"key":"K-1"}` {
		t.Errorf("%q, %v", opened, err)
	}
	if public, err := messages.SealToOf(seed); err != nil || public != sealTo {
		t.Errorf("%s, %v", public, err)
	}
}

func TestUnseal_AnotherKeyOrAChangedBoxOpensNothing(t *testing.T) {
	t.Parallel()
	seed, sealTo := sealKey(t)
	other, _ := sealKey(t)
	sealed, err := messages.Seal([]byte(`{"key":"K-1"}`), sealTo)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := messages.Unseal(sealed, other); !errors.Is(err, messages.ErrSealBroken) || opened != nil {
		t.Errorf("another key: %q, %v", opened, err)
	}
	var form map[string]string
	if err := json.Unmarshal(sealed, &form); err != nil {
		t.Fatal(err)
	}
	box, _ := base64.StdEncoding.DecodeString(form["sealed"])
	for i := range box {
		changed := bytes.Clone(box)
		changed[i] ^= 1
		body := fmt.Sprintf(`{"sealed":%q,"sender":%q}`, base64.StdEncoding.EncodeToString(changed), form["sender"])
		if opened, err := messages.Unseal(json.RawMessage(body), seed); !errors.Is(err, messages.ErrSealBroken) || opened != nil {
			t.Errorf("byte %d: %q, %v", i, opened, err)
		}
	}
	for _, sender := range []string{"X", sealTo[:55], strings.Repeat(sealTo, 40), "é"} {
		body := fmt.Sprintf(`{"sealed":%q,"sender":%q}`, form["sealed"], sender)
		if _, err := messages.Unseal(json.RawMessage(body), seed); !errors.Is(err, messages.ErrSealBroken) {
			t.Errorf("sender %.20s: %v", sender, err)
		}
	}
}

func TestUnseal_SaysWhatIsWrongAndNeverQuotesTheSeed(t *testing.T) {
	t.Parallel()
	seed, sealTo := sealKey(t)
	for _, open := range []string{`{}`, `{"key":"K-1"}`, `null`, ``, `{"sealed":"","sender":""}`, `{"sealed":1,"sender":"x"}`, `{"sealed":"x","sender":"x","more":1}`} {
		if _, err := messages.Unseal(json.RawMessage(open), seed); !errors.Is(err, messages.ErrNotSealed) || messages.IsSealed(json.RawMessage(open)) {
			t.Errorf("%s: %v", open, err)
		}
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	userSeed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{nil, []byte("S"), []byte(sealTo), userSeed, seed[:len(seed)-1], append(bytes.Clone(seed), 'A'), bytes.ToLower(seed)} {
		_, err := messages.Unseal(json.RawMessage(`{}`), bad)
		if !errors.Is(err, messages.ErrSealKey) || len(bad) > 10 && strings.Contains(err.Error(), string(bad)) {
			t.Errorf("%.8s…: %v", bad, err)
		}
		if _, err := messages.SealToOf(bad); !errors.Is(err, messages.ErrSealKey) {
			t.Errorf("%.8s…: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "X", strings.ToLower(sealTo), strings.Repeat(sealTo, 40)} {
		if _, err := messages.Seal([]byte("{}"), bad); err == nil {
			t.Errorf("sealed to %.20s", bad)
		}
	}
}
