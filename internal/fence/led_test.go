package fence_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/fence"
)

func TestLed_OnlyWhoLeadsAMajorityThatItHasJustHeardSpeaksForTheLedger(t *testing.T) {
	t.Parallel()
	peer := func(active time.Duration, current bool) *jetstream.PeerInfo {
		return &jetstream.PeerInfo{Current: current, Active: active}
	}
	gone := &jetstream.PeerInfo{Current: true, Offline: true, Active: time.Second}
	of := func(leader string, peers ...*jetstream.PeerInfo) *jetstream.ClusterInfo {
		return &jetstream.ClusterInfo{Name: "c", Leader: leader, Replicas: peers}
	}
	for name, c := range map[string]struct {
		info *jetstream.ClusterInfo
		want bool
	}{
		"one server":                        {nil, true},
		"one replica":                       {of("n0"), true},
		"all heard":                         {of("n0", peer(time.Second, true), peer(10*time.Millisecond, true)), true},
		"one of two away":                   {of("n0", peer(time.Minute, false), peer(time.Second, true)), true},
		"one of two offline":                {of("n0", gone, peer(time.Second, true)), true},
		"those who follow are busy":         {of("n0", peer(time.Second, false), peer(2*time.Second, false)), true},
		"nobody leads":                      {of("", peer(0, true), peer(time.Second, false), peer(time.Second, false)), false},
		"parted from both":                  {of("n0", peer(5*time.Second, true), peer(6*time.Second, true)), false},
		"woken from a pause":                {of("n0", peer(20*time.Second, true), peer(20*time.Second, true)), false},
		"elected and nobody heard yet":      {of("n0", peer(0, false), peer(0, false)), false},
		"both offline":                      {of("n0", gone, gone), false},
		"two of five":                       {of("n0", peer(time.Second, true), gone, gone, gone), false},
		"three of five":                     {of("n0", peer(time.Second, true), peer(time.Second, true), gone, gone), true},
		"elected, nothing was ever written": {of("n0", peer(0, true), peer(0, true)), true},
	} {
		if err := fence.Led(c.info); (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
