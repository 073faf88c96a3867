package secret_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/secret"
)

func TestReplace_ReachesEveryCopyAndKeepsTheEarlierTextsForMasking(t *testing.T) {
	t.Parallel()
	s := secret.New("first")
	copied, other := s, secret.New("first")
	start := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for i, text := range []string{"second", "second", "third"} {
		want := 1
		if i == 1 {
			want = 0 // it is that already
		}
		if n := secret.Replace(start.Add(time.Duration(i)*time.Hour), secret.Change{Of: s, By: secret.New(text)}); n != want {
			t.Errorf("change %d to %s: %d changes", i, text, n)
		}
	}
	if copied.Reveal() != "third" || other.Reveal() != "first" {
		t.Errorf("a copy reveals %q, another secret %q", copied.Reveal(), other.Reveal())
	}
	if diff := cmp.Diff([]string{"third", "second", "first"}, copied.Ever()); diff != "" {
		t.Error(diff)
	}
	for after, want := range map[time.Duration][]string{
		-time.Second: {"third", "second", "first"}, time.Hour: {"third", "second"}, 2 * time.Hour: {"third"},
	} {
		var got []string
		for _, s := range copied.Since(start.Add(after)) {
			got = append(got, s.Reveal())
		}
		if !slices.Equal(got, want) {
			t.Errorf("since %s: %v, want %v", after, got, want)
		}
	}
}

func TestReplace_NeitherFillsNorEmptiesASecret(t *testing.T) {
	t.Parallel()
	var empty secret.String
	full := secret.New("text")
	if n := secret.Replace(time.Now(), secret.Change{Of: empty, By: full}, secret.Change{Of: full, By: empty}); n != 0 {
		t.Errorf("%d changes", n)
	}
	if !empty.Empty() || full.Reveal() != "text" || empty.Ever() != nil || empty.Since(time.Time{}) != nil {
		t.Error("the empty secret was filled, or the full one emptied")
	}
}

// A login with the key of another day is refused by the provider, and closes
// the lane for all replicas.
func TestRevealAll_NeverMixesSecretsOfTwoDays(t *testing.T) {
	t.Parallel()
	login, key := secret.New("login-0"), secret.New("key-0")
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if both := secret.RevealAll(login, key); both[0][len("login"):] != both[1][len("key"):] {
					t.Errorf("read %v", both)
					return
				}
			}
		})
	}
	for day := range 2000 {
		secret.Replace(time.Now(), secret.Change{Of: login, By: secret.New(fmt.Sprintf("login-%d", day+1))},
			secret.Change{Of: key, By: secret.New(fmt.Sprintf("key-%d", day+1))})
	}
	close(stop)
	readers.Wait()
	if both := secret.RevealAll(login, key, secret.String{}); both[0] != "login-2000" || both[1] != "key-2000" || both[2] != "" {
		t.Errorf("at the end %v", both)
	}
}

func TestReplace_WhatWasReplacedIsShownByNobodyEither(t *testing.T) {
	t.Parallel()
	s := secret.New("harmless")
	secret.Replace(time.Now(), secret.Change{Of: s, By: secret.New(canary)})
	secret.Replace(time.Now(), secret.Change{Of: s, By: secret.New("harmless again")})
	change := secret.Change{Of: s, By: secret.New(canary)}
	for _, v := range []any{s, &s, exported{Key: s, Ptr: &s}, unexported{key: s, ptr: &s}, change, []secret.Change{change}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			if out := fmt.Sprintf(verb, v); leaks(out) {
				t.Errorf("%s: %s", verb, out)
			}
		}
	}
}
