package ledger_test

import (
	"testing"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/messages"
)

// raceDisturbed lets the ledgers race while something is done to the cluster:
// so many times, each after so many contests. Both keep step, so that neither a
// slow machine nor a fast one changes what is tested.
func raceDisturbed(t *testing.T, ledgers []*ledger.Ledger, times, every int, once func() error) map[string][]string {
	t.Helper()
	ctx := within(t)
	victories := make(chan struct{}, 1)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for range times {
			for range every {
				select {
				case <-victories:
				case <-ctx.Done():
					t.Error("no progress")
					return
				}
			}
			if err := once(); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	more := func(uint64) bool {
		select {
		case <-over:
			return false
		default:
			return true
		}
	}
	winners := race(t, ledgers, 10, more, func() {
		select {
		case victories <- struct{}{}:
		default: // it strikes just now
		}
	})
	<-over
	return winners
}

func clusterLedgers(t *testing.T, c *natstest.Cluster, n int) []*ledger.Ledger {
	t.Helper()
	createEvents(t, c.JS(t), 3, 1<<30)
	var ledgers []*ledger.Ledger
	for i := range n {
		ledgers = append(ledgers, open(t, c.Conn(t), ledger.Options{}))
		if i > 0 { // one writes alone, the others together
			ledger.Together(ledgers[i])
		}
	}
	return ledgers
}

func TestAppend_OnThreeNodesRacersHaveOneWinnerThroughStepDowns(t *testing.T) {
	t.Parallel()
	c := natstest.StartCluster(t, 3)
	ledgers := clusterLedgers(t, c, 3)
	winners := raceDisturbed(t, ledgers, 12, 4, func() error { return c.StepDown(messages.StreamEvents) })
	checkWinners(t, ledgers[0], winners)
	checkChains(t, c.JS(t))
}

func TestAppend_OnThreeNodesRacersHaveOneWinnerWhileLeadersStop(t *testing.T) {
	t.Parallel()
	c := natstest.StartCluster(t, 3)
	ledgers := clusterLedgers(t, c, 3)
	winners := raceDisturbed(t, ledgers, 3, 20, func() error {
		if err := c.WaitCurrent(messages.StreamEvents); err != nil {
			return err
		}
		leader, err := c.WaitLeader(messages.StreamEvents)
		if err != nil {
			return err
		}
		c.StopNode(leader)
		return c.StartNode(leader)
	})
	checkWinners(t, ledgers[0], winners)
	checkChains(t, c.JS(t))
}
