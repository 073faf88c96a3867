package accounts_test

import "strings"

// allowed is what each role may publish to: an expectation of its own, not the
// generator's. What is not in it is tried, and must be refused.
func allowed() map[string][]string {
	all := map[string][]string{
		"setup": words(`beltline.INFO beltline.STREAM.INFO.S beltline.STREAM.CREATE.S beltline.STREAM.UPDATE.S
			beltline.CONSUMER.INFO.ORDERS.dispatcher beltline.CONSUMER.CREATE.ORDERS.dispatcher
			beltline.CONSUMER.INFO.COMMANDS.D beltline.CONSUMER.CREATE.COMMANDS.D
			beltline.DIRECT.GET.KV_beltline.$KV.beltline.namespace beltline.DIRECT.GET.KV_beltline.$KV.beltline.fence.ledger beltline.$KV.beltline.namespace`),
		"dispatcher": words(`beltline.STREAM.INFO.S beltline.CONSUMER.INFO.COMMANDS.D
			beltline.CONSUMER.INFO.ORDERS.dispatcher beltline.CONSUMER.MSG.NEXT.ORDERS.dispatcher $JS.ACK.ORDERS.dispatcher.>
			beltline.CONSUMER.CREATE.EVENTS.* beltline.CONSUMER.INFO.EVENTS.* beltline.CONSUMER.MSG.NEXT.EVENTS.* beltline.CONSUMER.DELETE.EVENTS.*
			beltline.STREAM.MSG.GET.EVENTS beltline.STREAM.MSG.GET.ORDERS beltline.STREAM.MSG.GET.COMMANDS beltline.STREAM.MSG.GET.KV_beltline beltline.DIRECT.GET.EVENTS
			events.> commands.> schedules.> dlq.orders.* K:lease.sweeper K:sweeper K:sweeper.> K:lane.* K:fence.ledger K:fence.events K:fence.doubt`),
		"operator": words(`svc.orders.*.* svc.operator.* svc.providers.P.* $SRV.PING.orders $SRV.PING.operator
			$SRV.PING.provider-P $SRV.STATS.provider-P $SRV.INFO.provider-P beltline.INFO beltline.STREAM.INFO.S
			beltline.CONSUMER.INFO.ORDERS.dispatcher beltline.CONSUMER.INFO.COMMANDS.D
			beltline.STREAM.MSG.GET.EVENTS beltline.DIRECT.GET.EVENTS beltline.DIRECT.GET.EVENTS.> beltline.CONSUMER.CREATE.EVENTS.*.> beltline.CONSUMER.MSG.NEXT.EVENTS.*
			beltline.CONSUMER.DELETE.EVENTS.* beltline.STREAM.MSG.GET.DLQ beltline.STREAM.MSG.DELETE.DLQ beltline.CONSUMER.CREATE.DLQ.* beltline.CONSUMER.CREATE.DLQ.*.>
			beltline.CONSUMER.MSG.NEXT.DLQ.* beltline.CONSUMER.DELETE.DLQ.* orders.*.submit orders.*.cancel orders.*.confirm commands.*.*.*.*
			beltline.DIRECT.GET.KV_beltline.$KV.beltline.namespace beltline.DIRECT.GET.KV_beltline.$KV.beltline.lane.* K:fence.ledger K:fence.events`),
	}
	all["forget"] = words(`beltline.STREAM.INFO.EVENTS beltline.STREAM.INFO.KV_beltline
		beltline.STREAM.UPDATE.EVENTS beltline.STREAM.PURGE.EVENTS beltline.STREAM.MSG.DELETE.EVENTS beltline.STREAM.MSG.GET.EVENTS beltline.DIRECT.GET.EVENTS
		beltline.CONSUMER.CREATE.EVENTS.* beltline.CONSUMER.MSG.NEXT.EVENTS.* beltline.CONSUMER.DELETE.EVENTS.* events.> K:lease.forget`)
	for _, tenant := range []string{acme, shop2} {
		all["tenant-"+tenant] = words(strings.ReplaceAll(`orders.%T.submit orders.%T.cancel orders.%T.confirm svc.orders.%T.*
			svc.providers.balancesteam.check_login svc.providers.balancesteam.gift_card_price
			svc.providers.gamesdrop.find_offer svc.providers.gamesdrop.check_player svc.providers.gamesdrop.telegram_user
			svc.providers.exchanger.direction_currencies svc.providers.exchanger.directions svc.providers.exchanger.direction svc.providers.exchanger.calc
			beltline.CONSUMER.CREATE.EVENTS.*.events.*.%T.> beltline.CONSUMER.MSG.NEXT.EVENTS.* beltline.CONSUMER.CREATE.DLQ.*.dlq.orders.T beltline.CONSUMER.MSG.NEXT.DLQ.*`,
			"%T", tenant))
	}
	for _, p := range shops {
		mine := `beltline.STREAM.INFO.EVENTS beltline.STREAM.INFO.COMMANDS beltline.STREAM.INFO.DLQ beltline.STREAM.INFO.KV_beltline beltline.STREAM.INFO.PERMITS_` + strings.ToUpper(p) + `
			beltline.STREAM.MSG.GET.EVENTS beltline.DIRECT.GET.EVENTS beltline.STREAM.MSG.GET.KV_beltline
			beltline.CONSUMER.CREATE.KV_beltline.*.$KV.beltline.lane.%W beltline.CONSUMER.DELETE.KV_beltline.* $JS.FC.KV_beltline.>
			events.%W.> commands.%W.> schedules.%W.> permits.%W dlq.commands.%W dlq.hooks.%W
			beltline.DIRECT.GET.KV_beltline.$KV.beltline.namespace K:lane.%W K:suspect.%W.> K:fence.ledger K:fence.events K:fence.doubt`
		for _, c := range []string{"worker-%W-place", "worker-%W-follow"} {
			mine += " beltline.CONSUMER.INFO.COMMANDS." + c + " beltline.CONSUMER.MSG.NEXT.COMMANDS." + c + " $JS.ACK.COMMANDS." + c + ".>"
		}
		if p == "exchanger" {
			mine += " K:lease.payouts K:lease.payout.> beltline.CONSUMER.CREATE.KV_beltline.*.$KV.beltline.lease.payout.>"
		}
		all["worker-"+p] = words(strings.ReplaceAll(mine, "%W", p))
	}
	return all
}

// shops are the providers.
var shops = []string{"balancesteam", "skinsback", "gamesdrop", "exchanger"}

// words are patterns. S stands for each stream there is, D for each consumer of
// commands, P for each provider, and K: for reading and writing a key.
func words(text string) (all []string) {
	for _, w := range strings.Fields(text) {
		end := w[max(0, len(w)-2):]
		switch {
		case strings.HasPrefix(w, "K:"):
			all = append(all, prefix+".$KV.beltline."+w[2:], prefix+".DIRECT.GET.KV_beltline.$KV.beltline."+w[2:])
		case end == ".S":
			for _, s := range streamNames[:len(streamNames)-1] {
				all = append(all, w[:len(w)-1]+s)
			}
		case end == ".D":
			for _, c := range consumerNames[1 : len(consumerNames)-1] {
				all = append(all, w[:len(w)-1]+c)
				if p, ok := strings.CutSuffix(c, "-place"); ok && strings.Contains(w, "CREATE") {
					all = append(all, w[:len(w)-1]+c+".commands."+strings.TrimPrefix(p, "worker-")+".place.>")
				}
			}
		case end == "-P", strings.Contains(w, ".P."):
			for _, p := range shops {
				all = append(all, strings.Replace(w, "P."+"*", p+".*", 1))
				if end == "-P" {
					all[len(all)-1] = w[:len(w)-1] + p
				}
			}
		default:
			all = append(all, w)
		}
	}
	return all
}
