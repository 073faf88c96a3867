package cli

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/doctor"
	"github.com/beltline-io/beltline/pkg/messages"
)

// askFor bounds the questions of a command that a person waits for; the doctor
// waits for providers, too.
const (
	askFor     = 15 * time.Second
	examineFor = 3 * time.Minute
)

const doctorHelp = "Say whether anything is wrong, what it means for orders and what to do about it: the server and its clock, streams, consumers and the bucket, " +
	"the ledger and the fence, orders that wait or need an operator, dead letters, lanes, workers, our accounts at the providers, and the doors for callbacks. " +
	"It changes nothing; each provider that has a worker is asked one harmless question within its rate limit.\n\n" +
	"Give it the settings of the programs (the same file or environment): what it is not given it does not hold against the server. " +
	"Its user has to be allowed to publish to $JS.API.>, $SRV.PING.>, svc.operator.list and svc.providers.>; what it may not ask is said to be unknown.\n\n" +
	"Severities: ok; note, worth knowing or not known; warning, somebody should look; fault, orders are stopped, delayed or in danger.\n\n" +
	"Exit codes: 0 no fault, 1 at least one, 2 wrong usage or settings, 130 Ctrl-C.\n\n" +
	"Examples:\n\n" +
	"  beltline doctor\n" +
	"  beltline doctor --config beltline.yaml --monitor http://127.0.0.1:8222 --providers gamesdrop,skinsback\n" +
	"  beltline doctor -o json | jq -c 'select(.severity == \"fault\")'"

// doctorCommand takes the same settings as the programs, because what is right
// follows from them.
type doctorCommand struct {
	app.Common
	PublicURL app.BaseURL `name:"webhook-public-url" env:"WEBHOOK_PUBLIC_URL" placeholder:"URL" group:"Webhooks" help:"How providers reach the workers that they call back."`
	Doors     app.Doors   `embed:""`
	Serving   string      `name:"providers" placeholder:"NAMES" help:"The providers that must have a worker, separated by commas; only these are looked at."`
	Monitor   string      `name:"monitor" placeholder:"URL" help:"The server's monitoring port, as http://127.0.0.1:8222: it tells what a client is not told."`
	output
}

// Check applies the rules of the command.
func (c *doctorCommand) Check(f *app.Faults) {
	for _, p := range c.serving() {
		if !p.Known() {
			f.Add("--providers", "%.32q is not a provider", string(p))
		}
	}
	if u, err := url.Parse(c.Monitor); c.Monitor != "" && (err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https") {
		f.Add("--monitor", "is not a URL like http://127.0.0.1:8222")
	}
}

func (c *doctorCommand) serving() (all []messages.Provider) {
	for name := range strings.SplitSeq(c.Serving, ",") {
		if name = strings.TrimSpace(name); name != "" {
			all = append(all, messages.Provider(name))
		}
	}
	return all
}

// callbacks is where each provider that calls back reaches us.
func (c *doctorCommand) callbacks() map[messages.Provider]string {
	all := map[messages.Provider]string{}
	shared := map[string]string{"WEBHOOK_PUBLIC_URL": c.PublicURL.String()}
	for _, p := range []messages.Provider{messages.SkinsBack, messages.Exchanger} {
		served := len(c.serving()) == 0 || slices.Contains(c.serving(), p)
		if at := ownDoor(c.Doors, p, shared)["WEBHOOK_PUBLIC_URL"]; at != "" && served {
			all[p] = at
		}
	}
	return all
}

func (c *doctorCommand) run(ctx context.Context, s *session) int {
	timed, cancel := context.WithTimeout(ctx, examineFor)
	defer cancel()
	all := doctor.Examine(timed, doctor.Options{
		Connect: func() (*nats.Conn, jetstream.JetStream, error) {
			client, err := upstream.Connect(c.NATS)
			if err != nil {
				return nil, nil, err
			}
			return client.Conn, client.JS, nil
		},
		Settings: c.Topology(), Given: func(name string) bool { return s.given[name] > app.FromDefault },
		Waiting: 2 * max(c.Times.PollMax, c.Times.BlockedMax), // each may pass once in a healthy order's life
		Serving: c.serving(), Callbacks: c.callbacks(), Monitor: c.Monitor,
	})
	if ctx.Err() != nil {
		return app.ExitSignal // half of an examination looks like a disaster
	}
	count := map[doctor.Severity]int{}
	t := s.look.Table("", "what", "found", "what it means", "what to do").Wrap(map[int]int{2: 20, 3: 50, 4: 32, 5: 42})
	for _, f := range all {
		count[f.Severity]++
		if c.json() {
			body, err := json.Marshal(f)
			if err != nil {
				return s.failed(err)
			}
			s.tell("%s", body)
			continue
		}
		t.Row(painted(s.look, f.Severity), f.Check, f.Found, f.Means, f.Do)
	}
	if !c.json() {
		t.Write(s.Stdout)
	}
	s.say("%d looked at: %s, %s, %s", len(all), number(count[doctor.Fault], "fault"), number(count[doctor.Warning], "warning"), number(count[doctor.Note], "note"))
	if count[doctor.Fault] > 0 {
		return app.ExitFailure
	}
	return app.ExitOK
}

func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func painted(look plain.Look, s doctor.Severity) string {
	switch s {
	case doctor.OK:
		return look.Good(string(s))
	case doctor.Fault:
		return look.Bad(strings.ToUpper(string(s)))
	case doctor.Note, doctor.Warning:
	}
	return string(s)
}
