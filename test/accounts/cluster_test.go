package accounts_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ports are free ones of this machine, all different.
func ports(t *testing.T, n int) (all []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		all = append(all, port)
	}
	return all
}

// cluster starts three servers with the shipped file. Only where their routes
// listen is another place than in production.
func cluster(t *testing.T, dir string) (url string) {
	t.Helper()
	keys, err := os.ReadFile(filepath.Join(dir, "server.env"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(keys), "BELTLINE_ROUTE_PASSWORD=")
	password, _, _ := strings.Cut(rest, "\n")
	body, err := os.ReadFile(filepath.Join(dir, "three.conf"))
	if err != nil {
		t.Fatal(err)
	}
	const listens = `"0.0.0.0:6222"`
	if strings.Count(string(body), listens) != 1 {
		t.Fatalf("three.conf does not listen for routes on %s", listens)
	}
	where := ports(t, 3)
	var routes, urls []string
	for _, port := range where {
		routes = append(routes, fmt.Sprintf("%q", "nats-route://route:"+password+"@127.0.0.1:"+port))
	}
	for i, port := range where {
		file := fmt.Sprintf("n%d.conf", i+1)
		write(t, filepath.Join(dir, file), []byte(strings.Replace(string(body), listens, `"127.0.0.1:`+port+`"`, 1)))
		n := start(t, dir, file, []string{fmt.Sprintf("BELTLINE_NODE=n%d", i+1), "BELTLINE_ROUTES=[" + strings.Join(routes, ",") + ",]"})
		urls = append(urls, n.url())
	}
	return strings.Join(urls, ",")
}

// TestAccounts_OnThreeNodesEveryRoleDoesItsWorkAndGetsNothingElse does the same
// with three copies of each stream, where a question may be answered by another
// node than the one that a role is connected to.
func TestAccounts_OnThreeNodesEveryRoleDoesItsWorkAndGetsNothingElse(t *testing.T) {
	dir := shipped(t, acme, shop2)
	r := newRig(t, dir, cluster(t, dir))
	r.replicas = 3
	r.await("the three have found each other", func() bool {
		_, _, err := r.beltline("setup", "setup")
		return err == nil
	})
	n := &tally{t: t}
	r.setUp(n)
	r.startPrograms(map[string]string{"NATS_REPLICAS": "3"})
	r.workUpstream(n)
	r.workPlain(n)
	r.doctor(n)
	n.must("the programs", "work without being refused anything", func() error {
		if d := r.denials(); len(d) > 0 {
			return errors.New(strings.Join(d, "\n"))
		}
		return nil
	})
	s, err := r.js("operator").Stream(t.Context(), "EVENTS")
	if err != nil || s.CachedInfo().Config.Replicas != 3 || len(s.CachedInfo().Cluster.Replicas) != 2 {
		t.Errorf("EVENTS has not three copies: %v", err)
	}
	t.Logf("needed: %d of %d", n.done, n.all)
	r.forbidden()
}
