package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// askFor bounds the questions of a command that a person waits for.
const askFor = 15 * time.Second

// nobody stands where a client needs a tenant and none is asked for.
const nobody = "operator"

// doctorCommand is `doctor`.
type doctorCommand struct {
	ConfigFile string     `name:"config" env:"BELTLINE_CONFIG" placeholder:"PATH" help:"YAML file with any of these settings; keys are the variables' names, in any case."`
	Connection connection `embed:""`
	output
}

// Help is shown below the flags.
func (*doctorCommand) Help() string {
	return "Looks at what a server holds: whether everything is set up, whether the ledger is the one that is remembered, " +
		"and whether buying is stopped. It changes nothing.\n\n" +
		"Exit codes: 0 nothing is wrong, 1 something is, or the server was not reached, 2 wrong usage."
}

// health says how one thing is.
type health string

const (
	well  health = "ok"
	bad   health = "BAD"
	aside health = "-" // worth knowing, neither good nor bad
)

// symptom is one line of what the doctor found.
type symptom struct {
	What   string `json:"what"`
	Health health `json:"health"`
	Found  string `json:"found"`
	Do     string `json:"do,omitempty"` // what somebody should do about it
}

func (c *doctorCommand) run(ctx context.Context, s *session) int {
	client, err := upstream.Connect(c.Connection.settings(), nobody)
	if err != nil {
		return s.failed(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	all := append(lookAtTopology(ctx, client.JS), lookAtLedger(ctx, client.JS)...)
	code := app.ExitOK
	t := s.look.Table("", "what", "found", "to do").Wrap(map[int]int{2: 80, 3: 60})
	for _, y := range all {
		if y.Health == bad {
			code = app.ExitFailure
		}
		t.Row(string(y.Health), y.What, y.Found, y.Do)
	}
	if !c.json() {
		t.Write(s.Stdout)
		return code
	}
	body, err := json.Marshal(all)
	if err != nil {
		return s.failed(err)
	}
	s.tell("%s", body)
	return code
}

// lookAtTopology looks whether everything is there. Whether it fits a program's
// settings only that program can say.
func lookAtTopology(ctx context.Context, js jetstream.JetStream) (all []symptom) {
	if _, err := topology.Namespace(ctx, js); err != nil {
		y := symptom{What: "namespace", Health: bad, Found: err.Error()}
		if errors.Is(err, topology.ErrNotSetUp) {
			y.Do = "run `beltline setup`"
		}
		all = append(all, y)
	} else {
		all = append(all, symptom{What: "namespace", Health: well, Found: "one and the same in bucket and ledger"})
	}
	missing := 0
	for _, p := range messages.Providers() {
		for _, name := range []string{p.PlaceConsumer(), p.FollowConsumer()} {
			if _, err := js.Consumer(ctx, messages.StreamCommands, name); err != nil {
				missing++
				all = append(all, symptom{"consumer " + name, bad, err.Error(), "run `beltline setup`; no command is lost meanwhile"})
			}
		}
	}
	if missing == 0 {
		all = append(all, symptom{What: "consumers", Health: well, Found: "all are there"})
	}
	return all
}

// lookAtLedger looks whether the ledger is the one that is remembered.
func lookAtLedger(ctx context.Context, js jetstream.JetStream) []symptom {
	r, finding, err := fence.Inspect(ctx, js)
	if err != nil {
		return []symptom{{"ledger", bad, err.Error(), ""}}
	}
	all := []symptom{{"ledger", well, fmt.Sprintf("%d events, the last at %d; created %s, epoch %s",
		r.Ledger.Messages, r.Ledger.LastSeq, r.Ledger.Created.UTC().Format(time.RFC3339), r.Ledger.Epoch), ""}}
	switch {
	case finding != "":
		all = append(all, symptom{"memory", bad, finding, "find out who restored or recreated it before anything is bought again"})
	case r.Mark == nil:
		all = append(all, symptom{"memory", aside, "nothing is remembered of the ledger yet", "a worker or the dispatcher writes it down as it starts"})
	default:
		all = append(all, symptom{"memory", well, fmt.Sprintf("remembered up to %d, by %s", r.Mark.Seq, r.Mark.By), ""})
	}
	st := r.State
	switch {
	case st.Tripped:
		all = append(all, symptom{
			"fence", bad, fmt.Sprintf("buying is stopped since %s by %s (%s): %s", st.Since.Local().Format(timeForm), st.By, st.Why, st.Found),
			"bring the right ledger back, or accept this one: `beltline fence clear --by NAME --reason TEXT`",
		})
	case st.Cleared != nil:
		all = append(all, symptom{"fence", well, fmt.Sprintf("open; cleared %s by %s at %d: %s",
			st.Cleared.At.Local().Format(timeForm), st.Cleared.By, st.Cleared.Seq, st.Cleared.Reason), ""})
	default:
		all = append(all, symptom{"fence", well, "open, and never was closed", ""})
	}
	return all
}
