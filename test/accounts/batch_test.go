package accounts_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// together tries that a batch arrives as one through the accounts: only its
// last message asks for an answer, and all must come with their headers, in
// order. Each expects what is not so; a server that has read all of the batch
// says that, and one that misses a part says another thing. Nothing is stored.
func (r *rig) together() {
	r.t.Helper()
	const wrongLastSequence = 10071
	for role, subjects := range map[string]string{
		"dispatcher": "events.balancesteam.acme.batch-%d.accepted", "worker-gamesdrop": "events.gamesdrop.acme.batch-%d.placing",
	} {
		nc := r.connect(role)
		var answer *nats.Msg
		for i := 1; i <= 40; i++ {
			m := nats.NewMsg(fmt.Sprintf(subjects, i))
			m.Data = []byte("{}")
			m.Header.Set("Nats-Batch-Id", "batch-of-"+role)
			m.Header.Set("Nats-Batch-Sequence", strconv.Itoa(i))
			m.Header.Set("Nats-Expected-Last-Subject-Sequence", "4000000000")
			m.Header.Set("Nats-Expected-Last-Subject-Sequence-Subject", fmt.Sprintf("events.*.acme.batch-%d.>", i))
			var err error
			if i < 40 {
				err = nc.PublishMsg(m)
			} else {
				m.Header.Set("Nats-Batch-Commit", "1")
				answer, err = nc.RequestMsg(m, 20*time.Second)
			}
			if err != nil {
				r.t.Errorf("%s: message %d of a batch: %v", role, i, err)
				return
			}
		}
		var got struct {
			Error struct {
				Code int `json:"err_code"`
			} `json:"error"`
		}
		if err := json.Unmarshal(answer.Data, &got); err != nil || got.Error.Code != wrongLastSequence {
			r.t.Errorf("%s: a batch was answered %s", role, answer.Data)
		}
	}
}
