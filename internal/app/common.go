package app

import (
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Common is what every program can be told. A program's own configuration is a
// struct with Common embedded in it, and further sections of this package.
type Common struct {
	ConfigFile string           `name:"config" env:"BELTLINE_CONFIG" placeholder:"PATH" help:"YAML file with any of these settings; keys are the variables' names, in any case."`
	Version    kong.VersionFlag `name:"version" help:"Show the version and exit."`

	NATS    NATS    `embed:""`
	Logging Logging `embed:""`
	HTTP    HTTP    `embed:""`
	Times   Times   `embed:""`
	Storage Storage `embed:""`

	MaxInFlight int `name:"max-in-flight" env:"MAX_IN_FLIGHT" default:"64" group:"Limits" help:"Messages in work at one time."`

	// Limits holds one set of flags for each provider of the registry. It is
	// filled by the loader; read it with Provider.
	Limits   kong.Plugins `embed:"" group:"Limits"`
	settings map[messages.Provider]topology.ProviderSettings
}

// NATS says how to reach the servers.
type NATS struct {
	URL         Servers `name:"nats-url" env:"NATS_URL" default:"nats://127.0.0.1:4222" group:"NATS" help:"Servers, separated by commas."`
	Creds       string  `name:"nats-creds" env:"NATS_CREDS" placeholder:"PATH" group:"NATS" help:"Credentials file."`
	Context     string  `name:"nats-context" env:"NATS_CONTEXT" placeholder:"NAME" group:"NATS" help:"A context of the nats command line, instead of URL and credentials."`
	Replicas    int     `name:"nats-replicas" env:"NATS_REPLICAS" default:"1" group:"NATS" help:"Copies of each stream: 1 on one server, 3 on a cluster."`
	InboxPrefix string  `name:"nats-inbox-prefix" env:"NATS_INBOX_PREFIX" placeholder:"PREFIX" group:"NATS" help:"Prefix of reply subjects, where permissions ask for one."`
	APIPrefix   string  `name:"nats-js-api-prefix" env:"NATS_JS_API_PREFIX" placeholder:"PREFIX" group:"NATS" help:"Prefix of the JetStream API, where it is imported from another account."`
}

// Check applies the rules of the section.
func (n *NATS) Check(f *Faults) {
	n.choose(f)
	if n.Context != "" {
		if err := loadContext(n.Context); err != nil {
			f.Add("NATS_CONTEXT", "cannot be used: %s", cause(err))
		}
	}
	if n.Creds != "" {
		if file, err := os.Open(n.Creds); err != nil {
			f.Add("NATS_CREDS", "cannot be read: %s", cause(err))
		} else {
			_ = file.Close()
		}
	}
	if n.Replicas < 1 || n.Replicas > 5 {
		f.Add("NATS_REPLICAS", "must be between 1 and 5")
	}
}

// choose leaves either the context or what it would stand for: what comes from
// the stronger source.
func (n *NATS) choose(f *Faults) {
	context := f.given["NATS_CONTEXT"]
	if n.Context == "" {
		return
	}
	if max(f.given["NATS_URL"], f.given["NATS_CREDS"]) > context {
		n.Context = ""
		f.drop("NATS_CONTEXT")
		return
	}
	beaten := func(other string) bool {
		if f.given[other] == context {
			f.Add(other, "is set together with NATS_CONTEXT, which holds it already; set one of them")
			return false
		}
		f.drop(other)
		return true
	}
	if beaten("NATS_URL") {
		n.URL = Servers{}
	}
	if beaten("NATS_CREDS") {
		n.Creds = ""
	}
}

// Logging says what is logged, and how.
type Logging struct {
	Level  string `name:"log-level" env:"LOG_LEVEL" default:"info" group:"Logging" help:"One of debug, info, warn and error."`
	Format string `name:"log-format" env:"LOG_FORMAT" placeholder:"FORMAT" group:"Logging" help:"json or console; json unless standard error is a terminal."`
}

// Check applies the rules of the section.
func (l *Logging) Check(f *Faults) {
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, l.Level) {
		f.Add("LOG_LEVEL", "must be one of debug, info, warn and error")
	}
	if !slices.Contains([]string{"", "json", "console"}, l.Format) {
		f.Add("LOG_FORMAT", "must be json or console")
	}
}

// HTTP says where health, readiness and metrics are served.
type HTTP struct {
	Addr         string        `name:"http-addr" env:"HTTP_ADDR" default:"127.0.0.1:0" group:"HTTP" help:"Address of /healthz, /readyz, /metrics and /debug/pprof (the last for this machine only); port 0 takes a free one, which is logged."`
	DrainTimeout time.Duration `name:"drain-timeout" env:"DRAIN_TIMEOUT" default:"25s" group:"HTTP" help:"How long work in flight may go on after a signal to stop."`
}

// Check applies the rules of the section.
func (h *HTTP) Check(f *Faults) {
	f.address("HTTP_ADDR", h.Addr)
	if h.DrainTimeout <= 0 {
		f.Add("DRAIN_TIMEOUT", "must be longer than 0")
	}
}

// Storage bounds the streams that have a limit of size.
type Storage struct {
	EventsMaxBytes Bytes `name:"events-max-bytes" env:"EVENTS_MAX_BYTES" default:"4GiB" group:"Limits" help:"Size of EVENTS; above 80 % no order is taken and nothing is bought."`
	OrdersMaxBytes Bytes `name:"orders-max-bytes" env:"ORDERS_MAX_BYTES" default:"512MiB" group:"Limits" help:"Size of ORDERS."`
	DLQMaxBytes    Bytes `name:"dlq-max-bytes" env:"DLQ_MAX_BYTES" default:"512MiB" group:"Limits" help:"Size of DLQ."`
}

// Check applies the rules of the section.
func (s *Storage) Check(f *Faults) {
	const least = 1 << 20
	for name, b := range map[string]Bytes{
		"EVENTS_MAX_BYTES": s.EventsMaxBytes, "ORDERS_MAX_BYTES": s.OrdersMaxBytes, "DLQ_MAX_BYTES": s.DLQMaxBytes,
	} {
		if b < least {
			f.Add(name, "must be at least 1MiB")
		}
	}
}

// Dispatching is the section of the dispatcher.
type Dispatching struct {
	PlaceBacklogMax int  `name:"place-backlog-max" env:"PLACE_BACKLOG_MAX" default:"100000" group:"Limits" help:"Waiting place commands above which no order is taken."`
	NoSetup         bool `name:"no-setup" env:"NO_SETUP" help:"Do not create or update streams and consumers at start."`
}

// Check applies the rules of the section.
func (d *Dispatching) Check(f *Faults) {
	if d.PlaceBacklogMax < 1 {
		f.Add("PLACE_BACKLOG_MAX", "must be at least 1")
	}
}

// Webhooks is the section of workers whose provider calls back.
type Webhooks struct {
	Addr       string        `name:"webhook-addr" env:"WEBHOOK_ADDR" placeholder:"ADDR" group:"Webhooks" help:"Address that receives the provider's calls; without it polling does all."`
	PublicURL  BaseURL       `name:"webhook-public-url" env:"WEBHOOK_PUBLIC_URL" placeholder:"URL" group:"Webhooks" help:"How the provider reaches that address."`
	Secret     secret.String `name:"webhook-secret" env:"WEBHOOK_SECRET" placeholder:"SECRET" group:"Webhooks" help:"Key of the tokens in callback addresses; two of them separated by a comma, the new one first, while it is being replaced."`
	SecretFile string        `name:"webhook-secret-file" env:"WEBHOOK_SECRET_FILE" placeholder:"PATH" group:"Webhooks" help:"File with WEBHOOK_SECRET."`
}

// Secrets are the keys of the tokens: the first makes them, all are accepted.
func (w *Webhooks) Secrets() []secret.String {
	var keys []secret.String
	for key := range strings.SplitSeq(w.Secret.Reveal(), ",") {
		if key = strings.TrimSpace(key); key != "" {
			keys = append(keys, secret.New(key))
		}
	}
	return keys
}

// Check applies the rules of the section: all of it, or nothing.
func (w *Webhooks) Check(f *Faults) {
	missing := map[string]bool{
		"WEBHOOK_ADDR": w.Addr == "", "WEBHOOK_PUBLIC_URL": w.PublicURL.Empty(), "WEBHOOK_SECRET": w.Secret.Empty(),
	}
	wanted := w.Addr != "" || !w.PublicURL.Empty() || !w.Secret.Empty()
	for name, gone := range missing {
		if wanted && gone {
			f.Add(name, "is required where another WEBHOOK_ variable is set")
		}
	}
	if w.Addr != "" {
		f.address("WEBHOOK_ADDR", w.Addr)
	}
}

// check applies the rules that belong to no section.
func (c *Common) check(f *Faults) {
	if c.MaxInFlight < 1 {
		f.Add("MAX_IN_FLIGHT", "must be at least 1")
	}
}
