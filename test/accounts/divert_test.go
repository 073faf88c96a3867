package accounts_test

import (
	"encoding/json"
	"fmt"
)

// diverted makes consumers, as a tenant may, that deliver to subjects of CORE
// instead of answering the tenant: the server lets the body of the request name
// any. Whether somebody listens there by that very name, which is what such a
// consumer waits for before it delivers, is in the server's answer.
func (r *rig) diverted() {
	r.t.Helper()
	before := r.holdings()
	nc := r.connect("tenant-" + acme)
	silent := 0
	for i, subject := range []string{
		"orders.other.submit", "orders." + shop2 + ".cancel", "commands.gamesdrop.place.acme.offer", "schedules.gamesdrop.acme.offer",
		"dlq.orders.other", "$KV.beltline.fence.events", "$KV.beltline.lane.gamesdrop", "$KV.beltline.namespace",
		"$JS.API.STREAM.DELETE.DLQ", "$JS.API.STREAM.PURGE.EVENTS", "$JS.API.CONSUMER.DELETE.ORDERS.dispatcher", "$JS.API.META.LEADER.STEPDOWN",
		"$JS.ACK.COMMANDS.worker-gamesdrop-place.1.1.1.1700000000000000000.0", "_INBOX_worker-gamesdrop.guessed", "_R_.guessed",
		"svc.operator.resolve", "svc.orders." + shop2 + ".get", "$SYS.REQ.SERVER.PING", "events.gamesdrop.other.x.succeeded",
	} {
		body := fmt.Sprintf(`{"stream_name":"EVENTS","config":{"name":"divert%d","deliver_subject":%q,"filter_subject":"events.*.acme.>","ack_policy":"none","deliver_policy":"all","mem_storage":true}}`,
			i, subject)
		m, err := nc.Request(fmt.Sprintf("%s.CONSUMER.CREATE.EVENTS.divert%d.events.*.acme.>", prefix, i), []byte(body), patience)
		if err != nil {
			r.t.Fatal(err)
		}
		var got struct {
			Bound     bool `json:"push_bound"`
			Delivered struct {
				Consumer int `json:"consumer_seq"`
			} `json:"delivered"`
		}
		if err := json.Unmarshal(m.Data, &got); err != nil {
			r.t.Fatal(err)
		}
		if got.Bound || got.Delivered.Consumer > 0 {
			r.t.Errorf("a tenant's consumer delivers to %s: %s", subject, m.Data)
			continue
		}
		silent++
	}
	if err := unchanged(before, r.holdings()); err != nil {
		r.t.Errorf("something was changed: %v", err)
	}
	r.t.Logf("consumers that deliver elsewhere: %d reach nobody", silent)
}
