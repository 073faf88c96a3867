package webhook_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/webhook"
)

// inParts writes fields as clients do that are given a list of them.
func inParts(t testing.TB, boundary string, fields ...string) (kind, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	must(t, w.SetBoundary(boundary))
	for i := 0; i < len(fields); i += 2 {
		must(t, w.WriteField(fields[i], fields[i+1]))
	}
	must(t, w.Close())
	return w.FormDataContentType(), b.String()
}

func TestH8_ABodyInPartsIsReadAsTheFormWithTheSameFields(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	var got []string
	d := r.open(t, func(o *webhook.Options) {
		o.Verify = func(body []byte, kind string) (webhook.Callback, error) {
			got = append(got, kind+" "+string(body))
			return webhook.Callback{}, nil
		}
	})
	fields := []string{"b", "=20 a&b=c; \r\nÄ", "a", "1", "a", "2", "sums[usd]", "10.50", "empty", ""}
	kind, body := inParts(t, "first", fields...)
	d.do(t, http.MethodPost, path(t, d.Door, "o-1"), kind, body).is(t, http.StatusOK)
	want := form + " b=" + url.QueryEscape(fields[1]) + "&a=1&a=2&sums%5Busd%5D=10.50&empty="
	if diff := cmp.Diff([]string{want}, got); diff != "" {
		t.Error(diff)
	}
	// The same again, though the bytes between the parts differ.
	kind, body = inParts(t, "second", fields...)
	d.do(t, http.MethodPost, path(t, d.Door, "o-1"), kind, body).is(t, http.StatusOK)
	if n := len(r.commands(t, "o-1")); n != 1 || d.counted(t, "repeated") != 1 {
		t.Errorf("%d commands for one callback", n)
	}
}

func TestH8_ASignedBodyInPartsIsStored(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	d := r.open(t)
	given, err := url.ParseQuery(signed("success", "77"))
	must(t, err)
	parts := func(status string) (kind, body string) {
		return inParts(t, "x", "status", status, "transaction_id", "77", "steam_id", given.Get("steam_id"), "sign", given.Get("sign"))
	}
	kind, body := parts("fail")
	d.do(t, http.MethodPost, path(t, d.Door, "o-1"), kind, body).is(t, http.StatusUnauthorized)
	kind, body = parts("success")
	d.do(t, http.MethodPost, path(t, d.Door, "o-1"), kind, body).is(t, http.StatusOK)
	if got := r.commands(t, "o-1"); len(got) != 1 || !strings.Contains(string(got[0].Hint), `"status":"success"`) {
		t.Errorf("stored %+v", got)
	}
	// A callback that fits no order is kept to the letter.
	d.do(t, http.MethodPost, path(t, d.Door, "o-2"), kind, body).is(t, http.StatusOK)
	if dead := r.dead(t); len(dead) != 1 || string(dead[0].Data) != body {
		t.Errorf("%d dead letters", len(dead))
	}
}

func TestH8_PartsAreLimited(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order(t, "o-1")
	d := r.open(t)
	many := make([]string, 0, 600)
	for i := range 300 {
		many = append(many, fmt.Sprint("f", i), "")
	}
	tooMany, manyBody := inParts(t, "x", many...)
	big, bigBody := inParts(t, "x", "a", strings.Repeat("x", 64<<10))
	for name, c := range map[string]struct {
		kind, body string
		want       int
	}{
		"too many":           {tooMany, manyBody, http.StatusBadRequest},
		"too long":           {big, bigBody, http.StatusRequestEntityTooLarge},
		"cut off":            {"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1", http.StatusBadRequest},
		"no parts":           {"multipart/form-data; boundary=x", "status=success", http.StatusBadRequest},
		"nothing":            {"multipart/form-data; boundary=x", "", http.StatusBadRequest},
		"another boundary":   {"multipart/form-data; boundary=y", bigBody[:200], http.StatusBadRequest},
		"a part of no name":  {"multipart/form-data; boundary=x", "--x\r\n\r\n1\r\n--x--\r\n", http.StatusBadRequest},
		"a file":             withPart(t, "Content-Disposition", `form-data; name="a"; filename="a.txt"`, http.StatusUnsupportedMediaType),
		"quoted-printable":   withPart(t, "Content-Transfer-Encoding", "quoted-printable", http.StatusBadRequest),
		"endless part heads": withPart(t, "X-Long", strings.Repeat("y", 60<<10), http.StatusUnauthorized), // within the limit, and not signed
	} {
		if a := d.do(t, http.MethodPost, path(t, d.Door, "o-1"), c.kind, c.body); a.status != c.want {
			t.Errorf("%s: %d, want %d", name, a.status, c.want)
		}
	}
	if len(r.commands(t, "o-1")) != 0 {
		t.Error("something was stored")
	}
}

// withPart is a body of one part with a header of its own.
func withPart(t testing.TB, name, value string, want int) struct {
	kind, body string
	want       int
} {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	h := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="a"`}}
	h.Set(name, value)
	_, err := w.CreatePart(h)
	must(t, err)
	must(t, w.Close())
	return struct {
		kind, body string
		want       int
	}{w.FormDataContentType(), b.String(), want}
}

func TestH3_ACallbackThatBearsAnotherTimeIsRefused(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		sent, after time.Duration // from now; 0 for none
		want        int
	}{
		"none":                         {0, 0, http.StatusOK},
		"sent just now":                {-time.Second, 0, http.StatusOK},
		"sent five minutes ago":        {-5 * time.Minute, 0, http.StatusOK},
		"sent in five minutes":         {5 * time.Minute, 0, http.StatusOK},
		"sent longer ago":              {-5*time.Minute - time.Second, 0, http.StatusUnauthorized},
		"sent later than that":         {5*time.Minute + time.Second, 0, http.StatusUnauthorized},
		"tells of what is long past":   {0, -9 * 24 * time.Hour, http.StatusOK},
		"tells of what is a bit ahead": {0, 5 * time.Minute, http.StatusOK},
		"tells of what is to come":     {0, 5*time.Minute + time.Second, http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &books{}
			d := open(t, b, b, func(o *webhook.Options) {
				o.Now = func() time.Time { return now }
				o.Verify = func([]byte, string) (webhook.Callback, error) {
					told := webhook.Callback{Fields: map[string]string{"status": "success"}}
					if c.sent != 0 {
						told.Sent = now.Add(c.sent)
					}
					if c.after != 0 {
						told.After = now.Add(c.after)
					}
					return told, nil
				}
			})
			d.post(t, path(t, d.Door, "o-1"), "x").is(t, c.want)
			if want := c.want == http.StatusOK; (b.sent() == 1) != want || (d.counted(t, "misdated") == 0) != want {
				t.Errorf("%d stored, %d counted as misdated", b.sent(), d.counted(t, "misdated"))
			}
		})
	}
}
