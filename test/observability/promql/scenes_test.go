package promql_test

// scene is what an alert must come of, and what it must not come of.
type scene struct{ comes, stays []string }

const (
	drop  = `provider="gamesdrop"`
	skins = `provider="skinsback"`
)

// counts is a counter of events by type that rises by so much a minute.
func counts(typ, notation string) string {
	return `beltline_ledger_events_total{` + drop + `,kind="offer",type="` + typ + `"} ` + notation
}

func scenes() map[string]scene {
	all := map[string]scene{}
	for _, group := range []map[string]scene{ordersScenes(), buyingScenes(), limitScenes(), queueScenes(), ledgerScenes(), programScenes(), webhookScenes()} {
		for name, s := range group {
			all[name] = s
		}
	}
	return all
}

func ordersScenes() map[string]scene {
	needs := func(n string) string { return `beltline_orders_needing_operator{` + drop + `} ` + n }
	oldest := func(provider, state, seconds string) string {
		return `beltline_orders_oldest_unfinished_seconds{` + provider + `,state="` + state + `"} ` + seconds + `+60x240`
	}
	return map[string]scene{
		"BeltlineOrdersNeedOperator":     {[]string{needs("0x200 1x40")}, []string{needs("0x100 3x20 0x120")}},
		"BeltlineManyOrdersNeedOperator": {[]string{needs("12x240")}, []string{needs("9x240")}},
		"BeltlineDoubtsGrow":             {[]string{counts("unresolved", "0+1x240")}, []string{counts("unresolved", "0x235 1 2 2 3 3")}},
		"BeltlineOldestOrderTooOld": {
			[]string{oldest(drop, "retrying", "0"), oldest(drop, "accepted", "0")},
			[]string{
				oldest(drop, "on_hold", "100000"), oldest(skins, "processing", "400000"), oldest(drop, "processing", "3600"),
				`beltline_orders_oldest_unfinished_seconds{` + drop + `,state="accepted"} 5x240`,
			},
		},
		"BeltlineOrdersFail": {
			[]string{counts("failed", "0+2x240"), counts("succeeded", "0+1x240")},
			[]string{counts("failed", "0x238 1 2 3"), counts("succeeded", "0+0x240")},
		},
		"BeltlineLateEvidence": {[]string{counts("late_evidence", "0x235 1x5")}, []string{counts("late_evidence", "0x200 1x40")}},
		"BeltlineReversed":     {[]string{counts("reversed", "0x230 1x10")}, []string{counts("reversed", "4x240")}},
	}
}

func buyingScenes() map[string]scene {
	lane := func(state, values string) string {
		return `beltline_worker_lane_state{` + drop + `,state="` + state + `"} ` + values
	}
	balance := func(values string) string {
		return `beltline_provider_balance{` + drop + `,currency="RUB",instance="a"} ` + values
	}
	return map[string]scene{
		"BeltlineBuyingStopped": {
			[]string{`beltline_fence_tripped 0x240`, `beltline_fence_stopped{instance="a"} 0x240`, `beltline_fence_stopped{instance="b"} 0x230 1x10`},
			[]string{`beltline_fence_tripped 0x240`, `beltline_fence_stopped 1x200 0x40`},
		},
		// A probe finds it closed again and again: that is one closed lane.
		"BeltlineLaneClosed": {
			[]string{lane("open", "0x240"), lane("closed", "0x200 1 1 0 1 1 1 0 1 1 1 1 1 1 0 1x30"), lane("probing", "0x200 0 0 1 0 0 0 1 0 0 0 0 0 0 1 0x30")},
			[]string{lane("open", "0x239 1x1"), lane("closed", "0x220 1x5 0x15"), lane("paused", "1x239 0")},
		},
		"BeltlineLanePaused": {[]string{lane("paused", "0x200 1x40")}, []string{lane("paused", "0x230 1x10"), lane("closed", "1x240")}},
		"BeltlineBalanceLow": {
			[]string{balance("900000-3500x240")},
			[]string{balance("900000-1000x240"), balanceOf("balancesteam", "50000+0x240")},
		},
		"BeltlineBalanceUnknown": {
			[]string{asked("1700000000+0x240"), asked("0x240")},
			[]string{asked("1700000000+60x240")},
		},
		"BeltlineProviderErrors": {
			[]string{answers("ok", "0+60x240"), answers("ambiguous", "0+20x240"), answers("blocked", "0+10x240")},
			[]string{answers("ok", "0+60x240"), answers("ambiguous", "0+5x240"), answers("rejected", "0+600x240")},
		},
		"BeltlineProviderSlow": {
			[]string{took("5", "0+80x240"), took("10", "0+90x240"), took("20", "0+100x240"), took("+Inf", "0+100x240")},
			[]string{took("5", "0+99x240"), took("10", "0+99x240"), took("20", "0+100x240"), took("+Inf", "0+100x240")},
		},
	}
}

func balanceOf(provider, values string) string {
	return `beltline_provider_balance{provider="` + provider + `",currency="RUB"} ` + values
}

func asked(values string) string {
	return `beltline_provider_balance_asked_timestamp_seconds{` + drop + `,instance="` + values[:2] + `"} ` + values
}

func requests(class, values string) string {
	return `beltline_provider_request_seconds_count{` + drop + `,op="buy",class="` + class + `"} ` + values
}

func answers(class, values string) string {
	return `beltline_worker_answers_total{` + drop + `,step="place",class="` + class + `"} ` + values
}

func took(le, values string) string {
	return `beltline_provider_request_seconds_bucket{` + drop + `,op="buy",class="answered",le="` + le + `"} ` + values
}

func limitScenes() map[string]scene {
	permits := func(name, values string) string { return `beltline_permits_` + name + `{` + drop + `} ` + values }
	return map[string]scene{
		"BeltlinePermitsThrownAway": {
			[]string{permits("granted_total", "0+10x240"), permits("thrown_away_total", "0+3x240")},
			[]string{permits("granted_total", "0+100x240"), permits("thrown_away_total", "0+3x240")},
		},
		"BeltlineLimitUsedUp": {
			[]string{permits("waiting", "50x240"), permits("refused_total", "0+9x240")},
			[]string{permits("waiting", "50x200 3x40"), permits("refused_total", "0+9x240")},
		},
		"BeltlinePermitsUnanswered": {[]string{permits("unanswered_total", "0+2x240")}, []string{permits("unanswered_total", "0x238 1 2 3")}},
	}
}

func queueScenes() map[string]scene {
	waiting := func(consumer, values string) string {
		return `beltline_consumer_waiting{` + drop + `,stream="COMMANDS",consumer="` + consumer + `"} ` + values
	}
	hand := func(values string) string {
		return `beltline_consumer_in_hand{` + drop + `,stream="COMMANDS",consumer="worker-gamesdrop-place"} ` + values
	}
	letters := func(values string) string {
		return `beltline_dead_letters_kept{kind="commands",` + drop + `} ` + values
	}
	return map[string]scene{
		"BeltlineIntakePaused": {
			[]string{`beltline_dispatcher_paused{` + drop + `} 1x240`, `beltline_dispatcher_ledger_full 0x240`},
			[]string{`beltline_dispatcher_paused{` + drop + `} 0x240`, `beltline_dispatcher_ledger_full 0x200 1x2 0x38`},
		},
		"BeltlineOrdersNotTaken": {
			[]string{`beltline_consumer_waiting{provider="none",stream="ORDERS",consumer="dispatcher"} 0+1x240`},
			[]string{`beltline_consumer_waiting{provider="none",stream="ORDERS",consumer="dispatcher"} 90x237 300x3`, waiting("worker-gamesdrop-place", "900x240")},
		},
		"BeltlinePlaceBacklog": {[]string{waiting("worker-gamesdrop-place", "2000x240")}, []string{waiting("worker-gamesdrop-follow", "2000x240")}},
		"BeltlineChecksWait":   {[]string{waiting("worker-gamesdrop-follow", "700x240")}, []string{waiting("worker-gamesdrop-place", "700x240")}},
		"BeltlineInHandStuck": {
			[]string{hand("4x240"), requests("answered", "0+1x180 180x60"), `beltline_worker_lane_state{` + drop + `,state="open"} 1x240`},
			[]string{hand("4x240"), requests("answered", "0x240"), `beltline_worker_lane_state{` + drop + `,state="closed"} 1x240`},
		},
		"BeltlineDeadLettersGrow": {[]string{letters("3x230 4x10")}, []string{letters("3x100 4x140")}},
		"BeltlineSweeperMissing": {
			[]string{`beltline_ready{program="dispatcher"} 1x240`, `beltline_dispatcher_sweeping 0x240`, `beltline_dispatcher_sweep_last_timestamp_seconds 0x240`},
			[]string{
				`beltline_dispatcher_sweeping{instance="a"} 1x120 0x120`, `beltline_dispatcher_sweeping{instance="b"} 0x122 1x118`,
				`beltline_dispatcher_sweep_last_timestamp_seconds{instance="a"} 0x240`, `beltline_dispatcher_sweep_last_timestamp_seconds{instance="b"} 1700000000+60x240`,
			},
		},
		"BeltlineSweeperFinds": {[]string{`beltline_dispatcher_sweep_finds_total 0x230 40x10`}, []string{`beltline_dispatcher_sweep_finds_total 0x230 2x10`}},
		"BeltlineTimersLate": {
			[]string{late("30", "0+1x240"), late("60", "0+1x240"), late("300", "0+10x240"), late("+Inf", "0+10x240")},
			[]string{late("30", "0+99x240"), late("60", "0+99x240"), late("300", "0+100x240"), late("+Inf", "0+100x240")},
		},
	}
}

func late(le, values string) string {
	return `beltline_worker_timer_lateness_seconds_bucket{` + drop + `,le="` + le + `"} ` + values
}

func ledgerScenes() map[string]scene {
	events := func(bytes string) []string {
		return []string{`beltline_stream_bytes{stream="EVENTS"} ` + bytes, `beltline_stream_max_bytes{stream="EVENTS"} 100x240`, `beltline_stream_bytes{stream="COMMANDS"} 900x240`, `beltline_stream_max_bytes{stream="COMMANDS"} 0x240`}
	}
	stored := func(le, values string) string {
		return `beltline_ledger_append_seconds_bucket{le="` + le + `"} ` + values
	}
	failures := func(reason, values string) string {
		return `beltline_ledger_append_failures_total{reason="` + reason + `"} ` + values
	}
	return map[string]scene{
		"BeltlineLedgerFilling": {events("71x240"), events("69x240")},
		"BeltlineLedgerFull":    {events("81x240"), events("79x240")},
		"BeltlineLedgerSlow": {
			[]string{stored("1.024", "0+90x240"), stored("2.048", "0+100x240"), stored("+Inf", "0+100x240")},
			[]string{stored("0.016", "0+100x240"), stored("1.024", "0+100x240"), stored("+Inf", "0+100x240")},
		},
		"BeltlineLedgerTrouble": {[]string{failures("unknown", "0x235 1x5")}, []string{failures("conflict", "0+5x240"), failures("unknown", "7x240")}},
	}
}

func programScenes() map[string]scene {
	ready := func(program, provider, instance, values string) string {
		return `beltline_ready{program="` + program + `",provider="` + provider + `",instance="` + instance + `"} ` + values
	}
	wait := `beltline_consumer_waiting{provider="gamesdrop",consumer="worker-gamesdrop-place"} 3x240`
	return map[string]scene{
		"BeltlineDown":              {[]string{`up{job="beltline",instance="a"} 1x235 0x5`}, []string{`up{job="other"} 0x240`, `up{job="beltline"} 1x240`}},
		"BeltlineDispatcherMissing": {[]string{ready("dispatcher", "none", "a", "1x200 0x40")}, []string{ready("dispatcher", "none", "a", "0x240"), ready("dispatcher", "none", "b", "1x240")}},
		// All are gone, as Prometheus sees it: nothing tells of them any more.
		"BeltlineWorkerMissing": {
			[]string{wait, ready("worker-gamesdrop", "gamesdrop", "a", "1x200 _x40")},
			[]string{wait, ready("worker-gamesdrop", "gamesdrop", "a", "0x240"), ready("worker-gamesdrop", "gamesdrop", "b", "1x240")},
		},
		"BeltlineNotReady":           {[]string{ready("worker-skinsback", "skinsback", "a", "0x240")}, []string{ready("worker-skinsback", "skinsback", "a", "1x236 0 1 0 1")}},
		"BeltlineNATSDisconnected":   {[]string{`beltline_nats_connected 1x235 0x5`}, []string{`beltline_nats_connected 0x100 1x140`}},
		"BeltlineNATSFlapping":       {[]string{`beltline_nats_disconnects_total 0+1x240`}, []string{`beltline_nats_disconnects_total 0x235 1x5`}},
		"BeltlineSecretsNotReloaded": {[]string{`beltline_secrets_reload_successful 1x230 0x10`}, []string{`beltline_secrets_reload_successful 1x240`}},
		"BeltlinePanics": {
			[]string{`beltline_worker_panics_total{` + drop + `} 0x240`, `beltline_dispatcher_panics_total 0x235 1x5`},
			[]string{`beltline_worker_panics_total{` + drop + `} 2x240`, `beltline_dispatcher_panics_total 0x240`},
		},
	}
}

func webhookScenes() map[string]scene {
	door := func(outcome, values string) string {
		return `beltline_webhook_requests_total{` + skins + `,outcome="` + outcome + `"} ` + values
	}
	return map[string]scene{
		"BeltlineWebhookForged":  {[]string{door("unverified", "0+2x240"), door("not_found", "0+2x240")}, []string{door("stored", "0+90x240"), door("unverified", "0x239 1")}},
		"BeltlineWebhookRefused": {[]string{door("too_many", "0+20x240")}, []string{door("too_many", "0+1x240"), door("repeated", "0+90x240")}},
		"BeltlineWebhookBroken":  {[]string{door("unavailable", "0+2x240")}, []string{door("orphaned", "0x239 1")}},
	}
}
