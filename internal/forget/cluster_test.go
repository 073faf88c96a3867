package forget_test

import (
	"path/filepath"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/forget"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Each node overwrites its own copy, also while the stream gets another leader.
func TestRun_OnThreeNodesTheBytesAreGoneFromTheStreamsFilesOnEach(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, dir: t.TempDir()}
	c := natstest.StartCluster(t, 3, natstest.Configure(func(o *server.Options) { o.StoreDir = filepath.Join(r.dir, o.ServerName) }))
	r.nc, r.js = c.Conn(t), c.JS(t)
	r.setUp(3)
	r.done("a", "b")
	step := 0
	s, _ := r.run(func(o *forget.Options) {
		o.At(func(at string) {
			if at != "erase" {
				return
			}
			if step++; step == 3 {
				if err := c.StepDown(messages.StreamEvents); err != nil {
					t.Error(err)
				}
			}
		})
	})
	if s.Forgotten != 2 || s.Erased != 6 {
		t.Errorf("%+v", s)
	}
	r.forgotten("a", "b")
	if _, finding, err := fence.Inspect(r.within(), r.js); err != nil || finding != "" {
		t.Errorf("the fence finds %q, %v", finding, err)
	}
	if err := c.WaitCurrent(messages.StreamEvents); err != nil {
		t.Fatal(err)
	}
	// The stream's own files, and not the logs by which the nodes replicate: what
	// these hold goes when the server compacts them.
	r.eventually("the canary to be gone from the files of each node", func() bool {
		for _, node := range []string{"node-0", "node-1", "node-2"} {
			at := &rig{t: t, dir: filepath.Join(r.dir, node, "jetstream", server.DEFAULT_GLOBAL_ACCOUNT)}
			if at.onDisk(canary) > 0 {
				return false
			}
		}
		return true
	})
}
