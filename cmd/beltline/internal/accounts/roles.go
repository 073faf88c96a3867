package accounts

import (
	"strings"

	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	dispatcherAccount = "DISPATCHER"
	bucketStream      = "KV_" + messages.Bucket
	dispatcherDurable = "dispatcher"
)

// streams are all streams that there are, the bucket's among them.
func streams() []string {
	all := []string{messages.StreamEvents, messages.StreamOrders, messages.StreamCommands, messages.StreamDLQ, bucketStream}
	for _, p := range messages.Providers() {
		all = append(all, p.PermitStream())
	}
	return all
}

func each(prefix string, names ...string) []string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = prefix + n
	}
	return all
}

// durables are the consumers of commands.
func durables() (all []string) {
	for _, p := range messages.Providers() {
		all = append(all, p.PlaceConsumer(), p.FollowConsumer())
	}
	return all
}

func workerAccount(p messages.Provider) string { return "WORKER_" + strings.ToUpper(string(p)) }

// fenceKeys are what every program that writes events remembers of the ledger.
func fenceKeys() []string { return []string{"fence.ledger", "fence.events", "fence.doubt"} }

// roles lists everybody, in the order in which they are written down.
func roles(tenants []string) []*role {
	all := []*role{{name: "system", account: system, program: "nats server report, and other looks at the server itself"}, setup(), dispatcher()}
	for _, p := range messages.Providers() {
		all = append(all, worker(p))
	}
	all = append(all, operator(), forgetter())
	for _, t := range tenants {
		all = append(all, upstream(t))
	}
	return all
}

// setup makes streams and consumers, and nobody else may. It cannot read what
// is in them, nor delete them.
func setup() *role {
	r := &role{name: "setup", account: "SETUP", program: "beltline setup"}
	r.api("INFO")
	for _, s := range streams() {
		r.api("STREAM.INFO."+s, "STREAM.CREATE."+s, "STREAM.UPDATE."+s)
	}
	r.api("CONSUMER.INFO.ORDERS."+dispatcherDurable, "CONSUMER.CREATE.ORDERS."+dispatcherDurable)
	for _, p := range messages.Providers() {
		for _, name := range []string{p.PlaceConsumer(), p.FollowConsumer()} {
			r.api("CONSUMER.INFO.COMMANDS."+name, "CONSUMER.CREATE.COMMANDS."+name)
		}
		// One with a single filter names it in the subject.
		r.api("CONSUMER.CREATE.COMMANDS." + p.PlaceConsumer() + ".commands." + string(p) + ".place.>")
	}
	return r.write("namespace").read("fence.ledger")
}

// dispatcher writes events and commands of all providers. The look at the
// whole ledger is by consumers of its own.
func dispatcher() *role {
	r := &role{name: "dispatcher", account: dispatcherAccount, program: "dispatcher --no-setup"}
	r.api(each("STREAM.INFO.", streams()...)...).api(each("CONSUMER.INFO.COMMANDS.", durables()...)...)
	r.take(messages.StreamOrders, dispatcherDurable)
	r.api("CONSUMER.CREATE.EVENTS.*", "CONSUMER.INFO.EVENTS.*", "CONSUMER.MSG.NEXT.EVENTS.*", "CONSUMER.DELETE.EVENTS.*")
	r.api("STREAM.MSG.GET.EVENTS", "STREAM.MSG.GET.ORDERS", "STREAM.MSG.GET.COMMANDS", "STREAM.MSG.GET."+bucketStream, "DIRECT.GET.EVENTS")
	r.publish("events.>", "commands.>", "schedules.>", "dlq.orders.*")
	r.write("lease.sweeper", "sweeper", "sweeper.>", "lane.*").write(fenceKeys()...)
	r.serves = []string{"svc.orders.>", "svc.operator.>", "$SRV.>"}
	return r
}

// worker follows orders at one provider. It can read the whole ledger: what a
// request to JetStream asks for stands in its body, where no permission sees it.
func worker(p messages.Provider) *role {
	name := string(p)
	r := &role{name: "worker-" + name, account: workerAccount(p), program: "worker-" + name}
	r.api(each("STREAM.INFO.", messages.StreamEvents, messages.StreamCommands, messages.StreamDLQ, bucketStream, p.PermitStream())...)
	r.take(messages.StreamCommands, p.PlaceConsumer()).take(messages.StreamCommands, p.FollowConsumer())
	r.api("STREAM.MSG.GET.EVENTS", "DIRECT.GET.EVENTS", "STREAM.MSG.GET."+bucketStream)
	r.publish(p.PermitSubject(), "events."+name+".>", "commands."+name+".>", "schedules."+name+".>", messages.DeadCommands(p), messages.DeadHooks(p))
	r.read("namespace").write(p.LaneKey(), "suspect."+name+".>").write(fenceKeys()...)
	watched := []string{p.LaneKey()}
	if p == messages.Exchanger {
		r.write("lease.payouts", "lease.payout.>") // turns of payouts, which bear no key
		watched = append(watched, "lease.payout.>")
	}
	for _, key := range watched {
		r.api("CONSUMER.CREATE." + bucketStream + ".*." + keySubjects + key)
	}
	// To watch a key takes a consumer that is delivered to: its messages leave CORE
	// as a stream of subjects that begin with the inbox.
	r.api("CONSUMER.DELETE."+bucketStream+".*").publish("$JS.FC."+bucketStream+".>").hear(p.TurnSubject(), r.inbox()+".>")
	r.serves = []string{"svc.providers." + name + ".*", "$SRV.>"}
	return r
}

// operator decides, and sends dead letters back to where they came from.
func operator() *role {
	r := &role{name: "operator", account: "OPERATOR", program: "beltline order, resolve, provider, dlq, doctor, fence"}
	r.ask(dispatcherAccount, "svc.orders.*.*", "svc.operator.*")
	for _, service := range []string{messages.ServiceOrders, messages.ServiceOperator} {
		r.ask(dispatcherAccount, "$SRV.PING."+service, "$SRV.STATS."+service, "$SRV.INFO."+service)
	}
	for _, p := range messages.Providers() {
		r.ask(workerAccount(p), "svc.providers."+string(p)+".*", "$SRV.PING."+p.Service(), "$SRV.STATS."+p.Service(), "$SRV.INFO."+p.Service())
	}
	r.api("INFO").api(each("STREAM.INFO.", streams()...)...)
	r.api("CONSUMER.INFO.ORDERS." + dispatcherDurable).api(each("CONSUMER.INFO.COMMANDS.", durables()...)...)
	r.api("STREAM.MSG.GET.EVENTS", "DIRECT.GET.EVENTS", "DIRECT.GET.EVENTS.>", "CONSUMER.CREATE.EVENTS.*.>", "CONSUMER.MSG.NEXT.EVENTS.*", "CONSUMER.DELETE.EVENTS.*")
	r.api("STREAM.MSG.GET.DLQ", "STREAM.MSG.DELETE.DLQ", "CONSUMER.CREATE.DLQ.*", "CONSUMER.CREATE.DLQ.*.>", "CONSUMER.MSG.NEXT.DLQ.*", "CONSUMER.DELETE.DLQ.*")
	r.publish("orders.*.submit", "orders.*.cancel", "orders.*.confirm", "commands.*.*.*.*")
	return r.read("namespace", "lane.*").write("fence.ledger", "fence.events")
}

// forgetter takes finished orders out of the ledger, and is nobody's every day
// role: it alone may delete from EVENTS. What it erases it must be able to write
// a tombstone for, and to count in the stream's metadata.
func forgetter() *role {
	r := &role{name: "forget", account: "FORGET", program: "beltline forget, by a person, and by nothing that runs all the time"}
	r.api(each("STREAM.INFO.", messages.StreamEvents, bucketStream)...)
	r.api("STREAM.UPDATE.EVENTS", "STREAM.PURGE.EVENTS", "STREAM.MSG.DELETE.EVENTS")
	r.api("STREAM.MSG.GET.EVENTS", "DIRECT.GET.EVENTS", "CONSUMER.CREATE.EVENTS.*", "CONSUMER.MSG.NEXT.EVENTS.*", "CONSUMER.DELETE.EVENTS.*")
	return r.publish("events.>").write("lease.forget")
}

// upstream orders, and follows what it has ordered.
func upstream(tenant string) *role {
	r := &role{name: "tenant-" + tenant, account: "TENANT_" + tenant, program: "upstream"}
	r.publish(messages.OrderSubject(tenant, messages.SubmitRequest), messages.OrderSubject(tenant, messages.CancelRequest), messages.OrderSubject(tenant, messages.ConfirmRequest))
	r.ask(dispatcherAccount, "svc.orders."+tenant+".*")
	for _, p := range messages.Providers() {
		for _, method := range p.ServiceMethods() {
			if messages.OpenToUpstream(method) {
				r.ask(workerAccount(p), messages.ProviderServiceSubject(p, method))
			}
		}
	}
	return r.api("CONSUMER.CREATE.EVENTS.*.events.*."+tenant+".>", "CONSUMER.MSG.NEXT.EVENTS.*").
		api("CONSUMER.CREATE.DLQ.*."+messages.DeadOrders(tenant), "CONSUMER.MSG.NEXT.DLQ.*")
}
