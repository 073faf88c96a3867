package cli

import (
	"context"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/messages"
)

// orderCommand holds what all commands about orders share.
type orderCommand struct {
	ConfigFile string     `name:"config" env:"BELTLINE_CONFIG" placeholder:"PATH" help:"YAML file with any of these settings; keys are the variables' names, in any case."`
	Connection connection `embed:""`
	Tenant     tenantFlag `embed:""`

	Submit  submitCommand  `cmd:"" help:"Submit orders and wait for what becomes of them."`
	Get     getCommand     `cmd:"" help:"Show where an order stands."`
	List    listCommand    `cmd:"" help:"List orders: of one tenant, or of all."`
	History historyCommand `cmd:"" help:"Show all events of an order."`
	Watch   watchCommand   `cmd:"" help:"Follow events as they happen."`
	Cancel  cancelCommand  `cmd:"" help:"Ask for an order to be canceled, and wait for the answer."`
	Confirm confirmCommand `cmd:"" help:"Say that the customer has paid, and wait for the answer."`
}

// tenantFlag says whose orders are meant.
type tenantFlag struct {
	Name string `name:"tenant" env:"BELTLINE_TENANT" placeholder:"NAME" help:"The tenant whose orders are meant; required, but for list."`
}

// Check applies the rules of the section. Whether a tenant is needed depends on
// the command: see withClient.
func (t *tenantFlag) Check(f *app.Faults) {
	if t.Name != "" && !messages.ValidTenant(t.Name) {
		f.Add("BELTLINE_TENANT", "must be 1 to 64 letters, digits, - and _, and neither `unknown` nor begin with _")
	}
}

// orderID faults an id that no order can have: that is a slip of the hand, and
// asking for it would only say that there is no such order.
func orderID(f *app.Faults, id string) {
	if !messages.ValidToken(id) {
		f.Add("id", "must be 1 to 64 letters, digits, - and _")
	}
}

// connection says how to reach NATS: the part of the programs' settings that a
// client needs.
type connection struct {
	URL         app.Servers `name:"nats-url" env:"NATS_URL" default:"nats://127.0.0.1:4222" group:"NATS" help:"Servers, separated by commas."`
	Creds       string      `name:"nats-creds" env:"NATS_CREDS" placeholder:"PATH" group:"NATS" help:"Credentials file."`
	Context     string      `name:"nats-context" env:"NATS_CONTEXT" placeholder:"NAME" group:"NATS" help:"A context of the nats command line, instead of URL and credentials."`
	InboxPrefix string      `name:"nats-inbox-prefix" env:"NATS_INBOX_PREFIX" placeholder:"PREFIX" group:"NATS" help:"Prefix of reply subjects, where permissions ask for one."`
	APIPrefix   string      `name:"nats-js-api-prefix" env:"NATS_JS_API_PREFIX" placeholder:"PREFIX" group:"NATS" help:"Prefix of the JetStream API, where it is imported from another account."`
}

func (c *connection) settings() app.NATS {
	return app.NATS{URL: c.URL, Creds: c.Creds, Context: c.Context, Replicas: 1, InboxPrefix: c.InboxPrefix, APIPrefix: c.APIPrefix}
}

// Check applies the same rules as the programs do.
func (c *connection) Check(f *app.Faults) {
	n := c.settings()
	n.Check(f)
	c.URL, c.Creds, c.Context = n.URL, n.Creds, n.Context // what counts of them
}

// output is how results are written.
type output struct {
	Output string `name:"output" short:"o" enum:"table,json,text" default:"table" help:"table: for people (text is the same); or json: everything, one object a line."`
}

func (o output) json() bool { return o.Output == "json" }

// orderTask is a command below `order`, which does what a tenant may.
type orderTask interface {
	do(ctx context.Context, s *session, tenant upstream.Tenant) int
}

// withClient runs a task over a connection of its own.
type withClient struct {
	orders *orderCommand
	task   orderTask
}

// operatorTask is one that an operator may do for all tenants.
type operatorTask interface {
	allTenants() bool
	doForAll(ctx context.Context, s *session, c *upstream.Client) int
}

func (w *withClient) run(ctx context.Context, s *session) int {
	name := w.orders.Tenant.Name
	all, may := w.task.(operatorTask)
	if name == "" && !may {
		return s.misused(path(s.Args), app.Misconfigured("BELTLINE_TENANT", "is required; set it, or use --tenant"))
	}
	c, err := upstream.Connect(w.orders.Connection.settings())
	if err != nil {
		return s.failed(err)
	}
	defer c.Close()
	if may && (name == "" || all.allTenants()) {
		return all.doForAll(ctx, s, c)
	}
	tenant, err := c.As(name)
	if err != nil {
		return s.failed(err)
	}
	defer tenant.Close()
	return w.task.do(ctx, s, tenant)
}

// writeEvent writes an event as one line of JSON.
func (s *session) writeEvent(e *messages.Event) error {
	body, err := e.MarshalJSON()
	if err != nil {
		return err
	}
	s.tell("%s", body)
	return nil
}

// states remembers where each order stood, so that a line can say from where
// it moved.
type states map[string]messages.Type

func (m states) line(look plain.Look, e *messages.Event) string {
	from := m[e.Key()]
	m[e.Key()] = e.State
	return look.Line(e, from)
}
