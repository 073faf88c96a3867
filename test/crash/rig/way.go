package rig

import (
	"strings"

	"github.com/beltline-io/beltline/test/crash/procs"
)

// way is the network between a member and the servers, one proxy for each;
// empty where the member is connected directly.
type way []*procs.Proxy

// newWay makes the way of a process to every server of a list of addresses.
func newWay(process, urls string, journal *procs.Journal) (way, error) {
	var w way
	for url := range strings.SplitSeq(urls, ",") {
		p, err := procs.NewProxy(process, strings.TrimPrefix(url, "nats://"), journal)
		if err != nil {
			w.close()
			return nil, err
		}
		w = append(w, p)
	}
	return w, nil
}

// url is what the member is told to connect to.
func (w way) url() string {
	urls := make([]string, len(w))
	for i, p := range w {
		urls[i] = p.URL()
	}
	return strings.Join(urls, ",")
}

// used is the part of the way over which the member is connected now.
func (w way) used() way {
	var used way
	for _, p := range w {
		if p.Carries() {
			used = append(used, p)
		}
	}
	return used
}

// hold keeps everything back; false where it is kept back already.
func (w way) hold() (held bool) {
	for _, p := range w {
		held = p.Hold() || held
	}
	return held
}

func (w way) release() {
	for _, p := range w {
		p.Release()
	}
}

func (w way) reset() {
	for _, p := range w {
		p.Reset()
	}
}

func (w way) close() {
	for _, p := range w {
		p.Close()
	}
}
