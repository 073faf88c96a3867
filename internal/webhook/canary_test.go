package webhook_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/webhook"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Everything that can go wrong goes wrong once, and then nothing that the
// process has said holds a secret in any form.
func TestDoor_TellsNoSecretInLogsMetricsAnswersOrStreams(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	d := r.open(t, func(o *webhook.Options) { o.Limits.Store = 2 * time.Second; o.Limits.Body = time.Second })
	good := path(t, d.Door, "o-1")
	const inBody = "canary-in-the-body"
	var said bytes.Buffer
	hear := func(a answer, err error) {
		must(t, err)
		fmt.Fprintf(&said, "%d %s %v\n", a.status, a.body, a.header)
	}
	try := func(method, p, kind, body string) { hear(d.try(t.Context(), method, p, kind, body)) }
	try(http.MethodPost, good, form, signed("success", "77", "note", inBody))
	try(http.MethodPost, good, form, signed("success", "77", "note", inBody))
	try(http.MethodPost, good, form, "sign=0&note="+inBody)
	try(http.MethodPost, good, "text/plain", inBody)
	try(http.MethodPost, good+"x", form, inBody)
	try(http.MethodGet, good, "", "")
	// The door answers before it has read all of this, and a slow client may find
	// the connection closed. Its log and its metrics are looked through all the same.
	if a, err := d.try(t.Context(), http.MethodPost, good, form, strings.Repeat(inBody, 10_000)); err == nil {
		hear(a, nil)
	}
	whole := request(good, signed("success", "78", "note", inBody))
	statusOf(t, d.dial(t, whole[:len(whole)-1]))
	r.srv.Stop()
	try(http.MethodPost, good, form, signed("success", "79", "note", inBody))
	r.srv.Restart(t)
	fallen := open(t, &script{fall: true}, r.queue)
	hear(fallen.try(t.Context(), http.MethodPost, good, form, signed("success", "80", "note", inBody)))
	shownMetrics := httptest.NewRecorder()
	promhttp.HandlerFor(d.metrics, promhttp.HandlerOpts{}).ServeHTTP(shownMetrics, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	said.Write(shownMetrics.Body.Bytes())
	said.WriteString(d.log.String() + fallen.log.String())
	idle := door(t)
	fmt.Fprintf(&said, "%v %+v %#v", idle, idle, idle)
	shown, err := json.Marshal(options().Secrets)
	must(t, err)
	said.Write(shown)
	log := zerolog.New(&said)
	log.Info().Interface("options", options().Secrets).Send()
	for _, c := range r.commands(t, "o-1") {
		said.Write(c.Encode())
	}
	for _, outcome := range []string{"stored", "repeated", "unverified", "wrong_type", "not_found", "not_posted", "too_large", "too_slow", "unavailable"} {
		if d.counted(t, outcome) == 0 {
			t.Errorf("%s did not happen: the test proves nothing of it", outcome)
		}
	}
	token := good[strings.LastIndex(good, "/")+1:]
	for name, secret := range map[string]string{"the key": key, "the provider's key": providerKey, "a token": token, "a body": inBody} {
		for _, form := range []string{
			secret, hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret)), url.QueryEscape(secret),
		} {
			if strings.Contains(said.String(), form) {
				t.Errorf("%s was told", name)
			}
		}
	}
}

// What a verifier does not name is not stored; only a dead letter keeps the
// whole body, and none keeps the token of the address.
func TestDoor_StoresOnlyWhatTheVerifierNames(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	d := r.open(t)
	for _, id := range []string{"o-1", "nobody"} {
		d.post(t, path(t, d.Door, id), signed("success", "77", "note", "private")).is(t, http.StatusOK)
	}
	for _, m := range r.messages(t, messages.StreamCommands, messages.CommandSubject(provider, messages.Check, tenant, "o-1")) {
		if s := string(m.Data); strings.Contains(s, "private") || strings.Contains(s, "76561198000000000") || strings.Contains(s, "sign") {
			t.Errorf("stored %s", s)
		}
	}
	for _, m := range r.dead(t) {
		p := path(t, d.Door, "nobody")
		if strings.Contains(fmt.Sprint(m.Header)+m.Subject, p[strings.LastIndex(p, "/")+1:]) {
			t.Error("a dead letter holds a token")
		}
	}
}
