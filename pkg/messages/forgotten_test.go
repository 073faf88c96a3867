package messages_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/pkg/messages"
)

func tombstone(order string) *messages.Event {
	return &messages.Event{Type: messages.Forgotten, State: messages.Succeeded, Evidence: map[string]any{
		messages.ForgottenKey: map[string]any{messages.ForgottenContent: messages.ContentDigest([]byte(order))},
	}}
}

func TestSameOrder_OfAnErasedOrderEqualContentIsRecognisedAndOtherIsNot(t *testing.T) {
	t.Parallel()
	const order = `{"v":1,"id":"a","n":100,"list":[1,2],"who":{"mail":"a@b.c","x":"y"}}`
	e := tombstone(order)
	if strings.Contains(e.Evidence[messages.ForgottenKey].(map[string]any)[messages.ForgottenContent].(string), "a@b.c") {
		t.Error("the digest shows the content")
	}
	for body, same := range map[string]bool{
		order: true,
		` { "who": {"x":"\u0079", "mail":"a@b.c"}, "id":"a","list":[1,2.0],"n":1e2,"v":1}`: true,
		`{"v":1,"id":"a","n":100,"list":[2,1],"who":{"mail":"a@b.c","x":"y"}}`:             false,
		`{"v":1,"id":"a","n":"100","list":[1,2],"who":{"mail":"a@b.c","x":"y"}}`:           false,
		`{"v":1,"id":"a","n":100,"list":[1,2],"who":{"mail":"a@b.d","x":"y"}}`:             false,
		`{"v":1,"id":"a","n":100,"list":[1,2],"who":{"mail":"a@b.c","x":"y"},"more":null}`: false,
		`{"v":1,"v":1,"id":"a","n":100,"list":[1,2],"who":{"mail":"a@b.c","x":"y"}}`:       false,
		`{"v":1,"id":"a","n":100,"list":[1,2],"who":{"mail":"a@b.c","x":"y"}`:              false,
		``: false,
	} {
		if e.SameOrder([]byte(body)) != same {
			t.Errorf("%s: same is %v", body, !same)
		}
	}
	if first, second := messages.ContentDigest([]byte(order)), messages.ContentDigest([]byte(order)); first == second {
		t.Error("two orders of the same content have the same digest: there is no salt")
	}
}

func TestSameOrder_AnUnreadableDigestIsNobodysContent(t *testing.T) {
	t.Parallel()
	for _, kept := range []string{
		"", "x", "pbkdf2-sha256$1$$", "pbkdf2-sha256$0$AAAAAAAAAAAAAAAAAAAAAA$AAAA", "md5$1$AAAAAAAAAAAAAAAAAAAAAA$AAAA",
		"pbkdf2-sha256$999999999999$AAAAAAAAAAAAAAAAAAAAAA$AAAA",
	} {
		e := &messages.Event{Type: messages.Forgotten, Evidence: map[string]any{messages.ForgottenKey: map[string]any{messages.ForgottenContent: kept}}}
		if e.SameOrder([]byte(`{}`)) {
			t.Errorf("%q is taken for the digest of {}", kept)
		}
	}
	if (&messages.Event{Type: messages.Forgotten}).SameOrder([]byte(`{}`)) {
		t.Error("an erased order without a digest has the content {}")
	}
}

// What SameContent calls equal the digest calls equal, and nothing else.
func TestSameOrder_AgreesWithSameContent(t *testing.T) {
	t.Parallel()
	pieces := []string{
		`{}`, `[]`, `null`, `""`, `"{}"`, `0`, `-0`, `1`, `1.0`, `10e-1`, `true`, `"true"`, `{"a":1,"b":2}`, `{"b":2,"a":1}`, `{"a":1,"a":1}`,
		`{"a":1,"a":2}`, `{"a":2,"a":1}`, `{"a":{"b":1}}`, `[1,[2]]`, `[[1],2]`, `["a","b"]`, `["ab",""]`, `{"":""}`, `{"a":"b"}`, `["a",1]`,
		`{"a":`, ` {"a":`, `1e400`, `10e399`,
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SampledFrom(pieces).Draw(t, "a"), rapid.SampledFrom(pieces).Draw(t, "b")
		if got, want := tombstone(a).SameOrder([]byte(b)), messages.SameContent([]byte(a), []byte(b)); got != want {
			t.Fatalf("%s and %s: by digest %v, by content %v", a, b, got, want)
		}
	})
}
