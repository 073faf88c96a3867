package providerhttp_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/providers"
)

// Whoever stands between us and the shop has neither its certificate nor, as a
// rule, a modern protocol. Nothing may be sent then, not even the headers with
// our key, and nothing was bought.
func TestCreate_AConnectionThatCannotBeTrustedCarriesNothing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		newest  uint16
		trusted bool
		host    string
	}{
		"TLS 1.1":                          {tls.VersionTLS11, true, "127.0.0.1"},
		"a certificate that nobody signed": {0, false, "127.0.0.1"},
		"another's certificate":            {0, true, "localhost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
			s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tc.newest}
			s.StartTLS()
			t.Cleanup(s.Close)
			cfg := providerhttp.Config{Name: "shop", Timeout: longTimeout}
			if cfg.RootCAs = x509.NewCertPool(); tc.trusted {
				cfg.RootCAs.AddCert(s.Certificate())
			}
			c := providerhttp.New(cfg)
			t.Cleanup(c.Close)
			_, port, err := net.SplitHostPort(s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Create(allowed(t), post("https://"+tc.host+":"+port+"/"))
			mustFail(t, err, providers.Retryable, providers.CodeNotSent)
			if n := requests.Load(); n != 0 {
				t.Errorf("%d requests arrived", n)
			}
		})
	}
}
