package accounts_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
)

// What the server can be asked changes with its version. The matrix is made from
// its sources, so a new request is tried by itself; but somebody has to look
// whether a role needs it, or could do harm with it.
func TestRequests_AreThoseThatSomebodyHasLookedAt(t *testing.T) {
	t.Parallel()
	known, err := os.ReadFile("testdata/jetstream-api.txt")
	if err != nil {
		t.Fatal(err)
	}
	have := serverConstants(t, "$JS.API")
	if diff := cmp.Diff(strings.Fields(string(known)), have); diff != "" {
		t.Errorf("the requests of nats-server %s are not those of testdata/jetstream-api.txt: look at each, then write it down there\n%s", server.VERSION, diff)
	}
	if len(have) < 30 {
		t.Errorf("only %d were found in the sources", len(have))
	}
	for _, exported := range []string{
		server.JSApiStreamDelete, server.JSApiStreamPurge, server.JSApiConsumerCreateEx, server.JSApiMsgGet, server.JSDirectMsgGet,
		server.JSApiMetaRescue, server.JSApiAccountPurge, server.JSApiConsumerResetT,
	} {
		if !slices.Contains(have, exported) {
			t.Errorf("%s was not found in the sources", exported)
		}
	}
}

func TestUniverse_HasEveryRequestForEveryStream(t *testing.T) {
	t.Parallel()
	all := universe(t)
	for _, want := range []string{
		"$JS.API.STREAM.DELETE.EVENTS", "beltline.STREAM.DELETE.EVENTS", "$JS.API.CONSUMER.DELETE.COMMANDS.worker-gamesdrop-place",
		"beltline.CONSUMER.MSG.NEXT.COMMANDS.worker-exchanger-follow", "$JS.API.META.RESCUE", "beltline.STREAM.MSG.GET.EVENTS",
		"beltline.CONSUMER.CREATE.EVENTS.guessed.events.*.other.>", "beltline.$KV.beltline.fence.events", "beltline.CONSUMER.RESET.ORDERS.dispatcher",
		"$SYS.REQ.SERVER.PING", "beltline.DIRECT.GET.KV_beltline.$KV.beltline.lane.gamesdrop",
	} {
		if !slices.Contains(all, want) {
			t.Errorf("%s is not tried", want)
		}
	}
}
