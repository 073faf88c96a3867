package groupcommit_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/internal/groupcommit"
)

func TestPlainAck_ReadsWhatTheServerWrites(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"stream":"EVENTS","seq":17}`, `{"stream":"EVENTS","seq":18446744073709551615}`} {
		if _, ok := groupcommit.PlainAck([]byte(text)); !ok {
			t.Errorf("%s is left to the decoder", text)
		}
	}
	for _, text := range []string{
		``, `{}`, `{"stream":"EVENTS"}`, `{"stream":"EVENTS","seq":0}`, `{"stream":"EVENTS","seq":-1}`, `{"stream":"EVENTS","seq":+1}`,
		`{"stream":"EVENTS","seq":01}`, `{"stream":"EVENTS","seq":}`, `{"stream":"EVENTS","seq":1,"duplicate":true}`, `{"stream":"E\\u0056","seq":1}`,
		`{"error":{"code":400,"err_code":10071},"stream":"EVENTS","seq":0}`, `{"stream":"EVENTS","seq":1.5}`, `{"stream":"EVENTS","seq":1e3}`,
		`{"stream":"EVENTS","seq":18446744073709551616}`, `{"stream":"EVENTS","seq":5,"batch":"x","count":2}`,
	} {
		if a, ok := groupcommit.PlainAck([]byte(text)); ok {
			t.Errorf("%s was read as %v", text, a)
		}
	}
}

// What it reads, the decoder reads alike.
func TestPlainAck_NeverSaysMoreThanTheDecoder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := fmt.Sprintf(`{"stream":"%s",%s"seq":%s}`, rapid.StringMatching(`[A-Z_\\" ]{0,8}`).Draw(t, "name"),
			rapid.SampledFrom([]string{"", " ", "  "}).Draw(t, "space"), rapid.StringMatching(`[0-9+. e-]{0,6}`).Draw(t, "seq"))
		plain, ok := groupcommit.PlainAck([]byte(text))
		if !ok {
			return
		}
		full, err := groupcommit.Decode([]byte(text))
		if err != nil || full != plain {
			t.Fatalf("%s was read as %v; the decoder says %v, %v", text, plain, full, err)
		}
	})
}
