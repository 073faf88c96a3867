package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	leastPayload = 256 << 10
	slowRTT      = 100 * time.Millisecond

	// A provider's answer and the end of a lease are 5 s apart, and orders expire
	// by the dispatcher's clock: two machines that are further apart than that
	// may take each other's orders for abandoned.
	skewWarning = 500 * time.Millisecond
	skewFault   = 2 * time.Second
	skewLooks   = 3

	percentWarning = 80
	percentFault   = 95
)

// server looks at the connection.
func (e *examination) server(ctx context.Context) {
	version := e.nc.ConnectedServerVersion()
	rtt, err := e.nc.RTT()
	where := fmt.Sprintf("%s: nats-server %s (%s)", e.nc.ConnectedUrlRedacted(), version, e.nc.ConnectedServerName())
	switch tooOld := topology.TooOld(version); {
	case err != nil:
		e.unknown("nats", err)
	case tooOld != nil:
		e.add(Finding{Fault, "nats", where + ": " + tooOld.Error(), "no timer fires: orders that wait for a provider are never asked about", "upgrade every server"})
	case e.nc.MaxPayload() < leastPayload:
		e.add(Finding{
			Fault, "nats", fmt.Sprintf("%s: max_payload is %d bytes", where, e.nc.MaxPayload()),
			"events of up to 128 KB cannot be stored, and their orders do not go on", "set max_payload to 256 KB or more",
		})
	case rtt > slowRTT:
		e.add(Finding{Warning, "nats", fmt.Sprintf("%s, round trip %s", where, rtt.Round(time.Millisecond)), "each order takes several round trips", "run the programs near the server"})
	default:
		e.well("nats", "%s, round trip %s", where, rtt.Round(time.Microsecond))
	}
	e.askMonitor(ctx)
}

// jetStream looks whether the account may store anything, and how much.
func (e *examination) jetStream(ctx context.Context) bool {
	info, err := e.js.AccountInfo(ctx)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled):
		e.add(Finding{
			Fault, "jetstream", "the server has no JetStream", "no order can be stored",
			`start the server with JetStream (nats-server -js, or "jetstream {}" in its configuration)`,
		})
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		e.add(Finding{
			Fault, "jetstream", "this account has no JetStream", "no order can be stored",
			`enable it for the account ("jetstream: enabled"), or connect with the credentials of the account that has it`,
		})
	case err != nil:
		e.add(Finding{
			Fault, "jetstream", "did not answer: " + err.Error(), "not known; if the programs get no answer either, everything stands still",
			"see whether there is a JetStream leader, and whether this user may call $JS.API.>",
		})
	default:
		e.limits(info)
		return true
	}
	return false
}

// limits looks how much of what the account may store is used.
func (e *examination) limits(info *jetstream.AccountInfo) {
	tiers := map[string]jetstream.Tier{"": info.Tier}
	if len(info.Tiers) > 0 {
		tiers = info.Tiers
	}
	for name, t := range tiers {
		check := strings.TrimSpace("jetstream " + name)
		used := percent(t.Store, t.Limits.MaxStore)
		text := fmt.Sprintf("%s of files in %d streams", size(t.Store), t.Streams)
		if t.Limits.MaxStore > 0 {
			text += fmt.Sprintf(", %d %% of the %s that the account may use", used, size(uint64(t.Limits.MaxStore)))
		}
		switch {
		case used >= percentFault:
			e.add(Finding{Fault, check, text, "outcomes of orders soon cannot be stored", "raise the account's limit before the orders stop"})
		case used >= percentWarning:
			e.add(Finding{Warning, check, text, "orders stop when it is full", "raise the account's limit"})
		default:
			e.well(check, "%s", text)
		}
	}
}

// percent is how much of a limit is used; 0 where there is none.
func percent(part uint64, whole int64) int {
	if whole <= 0 {
		return 0
	}
	return int(part * 100 / uint64(whole)) //nolint:gosec // a share of a disk
}

func size(n uint64) string {
	for i, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if one := uint64(1) << (40 - 10*i); n >= one {
			tenths := n * 10 / one
			return fmt.Sprintf("%d.%d %s", tenths/10, tenths%10, unit)
		}
	}
	return fmt.Sprintf("%d B", n)
}

// clock compares this machine's clock with that of the leader of the ledger. A
// difference counts as far as it lies outside of the request that showed it.
func (e *examination) clock(ctx context.Context) {
	if e.found.Stream(messages.StreamEvents) == nil {
		return // it is missing, and said to be
	}
	skew, least := time.Duration(0), time.Duration(-1)
	for range skewLooks {
		before := e.o.Now()
		stream, err := e.js.Stream(ctx, messages.StreamEvents)
		after := e.o.Now()
		if err != nil {
			e.unknown("clock", err)
			return
		}
		theirs, off := stream.CachedInfo().TimeStamp, time.Duration(0)
		switch {
		case theirs.IsZero():
			e.note("clock", "the server did not say what time it is", "compare the clocks yourself: all machines should follow NTP")
			return
		case theirs.Before(before):
			off = before.Sub(theirs)
		case theirs.After(after):
			off = after.Sub(theirs) // negative: ours is behind
		}
		if least < 0 || off.Abs() < least {
			skew, least = off, off.Abs()
		}
	}
	way := "ahead of"
	if skew < 0 {
		way = "behind"
	}
	text := fmt.Sprintf("this machine is %s %s the server", skew.Abs().Round(time.Millisecond), way)
	const means = "times in orders, leases and lanes are read by the clocks of the machines: a worker like this takes orders of others for abandoned, or its own permits for old"
	switch {
	case least >= skewFault:
		e.add(Finding{Fault, "clock", text, means, "set the clocks by NTP, on every machine"})
	case least >= skewWarning:
		e.add(Finding{Warning, "clock", text, means, "set the clocks by NTP, on every machine"})
	default:
		e.well("clock", "this machine and the server agree within the time of a request")
	}
}

// monitored is what the monitoring port tells.
type monitored struct {
	ID        string `json:"server_id"`
	JetStream struct {
		Config *struct {
			SyncInterval time.Duration `json:"sync_interval"`
			SyncAlways   bool          `json:"sync_always"`
		} `json:"config"`
	} `json:"jetstream"`
}

// askMonitor asks the monitoring port for what a client is not told.
func (e *examination) askMonitor(ctx context.Context) {
	if e.o.Monitor == "" {
		return
	}
	m := new(monitored)
	err := e.getJSON(ctx, strings.TrimRight(e.o.Monitor, "/")+"/varz", m)
	switch {
	case err != nil:
		e.add(Finding{
			Warning, "monitor", err.Error(), "what only the monitoring port tells is not known",
			"start the server with a monitoring port (-m 8222, or http_port), and say where it is with --monitor",
		})
	case m.ID != e.nc.ConnectedServerId() && e.nc.ConnectedClusterName() == "":
		e.add(Finding{
			Warning, "monitor", "it belongs to another server (" + m.ID + ") than the one that was asked (" + e.nc.ConnectedServerId() + ")",
			"what it tells says nothing about these orders", "say where this server's port is with --monitor",
		})
	default:
		e.monitor = m
		e.well("monitor", "answered")
	}
}

func (e *examination) getJSON(ctx context.Context, url string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("not a URL: %w", err)
	}
	answer, err := e.o.HTTP.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", r.URL.Redacted(), answer.Status)
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, answer.Body, 16<<20)).Decode(into); err != nil {
		return fmt.Errorf("%s did not answer as nats-server does: %w", r.URL.Redacted(), err)
	}
	return nil
}

// durability looks whether what was acknowledged survives a power cut.
func (e *examination) durability() {
	if len(e.found.Streams) == 0 {
		return
	}
	const check = "durability"
	if e.nc.ConnectedClusterName() != "" {
		e.replicated(check)
		return
	}
	switch m := e.monitor; {
	case m == nil || m.JetStream.Config == nil:
		e.note(check, "one server; whether it syncs each write to the disk (sync_interval: always) is not known: a client is not told",
			"start the server with a monitoring port and give --monitor http://HOST:8222, or look for `sync_interval: always` in the `jetstream` part of its configuration")
	case m.JetStream.Config.SyncAlways:
		e.well(check, "sync_interval is always")
	default:
		e.add(Finding{
			Fault, check, fmt.Sprintf("one server, and sync_interval is %s", m.JetStream.Config.SyncInterval),
			"a power cut takes back what was acknowledged: intents and outcomes of orders are lost, and the fence stops all buying, or worse",
			"set `sync_interval: always` in the `jetstream` part of the server's configuration, or run three servers with NATS_REPLICAS=3",
		})
	}
}

// leastCopies is what survives the loss of one server and still has a majority.
const leastCopies = 3

// replicated looks whether each stream of a cluster has enough copies.
func (e *examination) replicated(check string) {
	var few []string
	for _, where := range slices.Sorted(maps.Keys(e.found.Streams)) {
		if n := e.found.Streams[where].Config.Replicas; n < leastCopies {
			few = append(few, fmt.Sprintf("%s (%d)", where, n))
		}
	}
	if len(few) == 0 {
		e.well(check, "a cluster, with at least %d copies of each stream", leastCopies)
		return
	}
	e.add(Finding{
		Fault, check, fmt.Sprintf("a cluster, and fewer than %d copies of %s", leastCopies, strings.Join(few, ", ")),
		"when that server is lost, so is the memory of what was bought; until it is back, everything stands still",
		"set NATS_REPLICAS=3 for all programs, and run `beltline setup`",
	})
}
