package check

import (
	"encoding/json"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// Order is an order as upstream handed it in, and what is known of it beforehand.
type Order struct {
	Tenant   string          `json:"tenant"`
	ID       string          `json:"id"`
	Provider string          `json:"provider"`
	Kind     string          `json:"kind"`
	Body     json.RawMessage `json:"body"`
	// Account is how the shop's books know whose the purchase is.
	Account string `json:"account"`
	// Amount is what a top-up asks for; empty where the shop sets the price.
	Amount string `json:"amount,omitempty"`
	// Must is the one state the order may end in; empty where faults decide.
	Must string `json:"must,omitempty"`
	// Acked: the server said that it has stored the submission.
	Acked bool `json:"acked"`
	// Conflicts is how often other content was handed in under the same id.
	Conflicts int `json:"conflicts,omitempty"`
}

// Key names the order as events do.
func (o Order) Key() string { return o.Tenant + "/" + o.ID }

// Message is a message of a dumped stream.
type Message struct {
	Seq     uint64              `json:"seq"`
	Subject string              `json:"subject"`
	Time    time.Time           `json:"time"` // when the server stored it
	Header  map[string][]string `json:"header,omitempty"`
	Data    string              `json:"data"`
}

// Deed is what was done to a process, or what it did.
type Deed string

// The deeds.
const (
	Spawned   Deed = "spawned"
	Killed    Deed = "killed"    // SIGKILL
	Stopped   Deed = "stopped"   // SIGSTOP
	Continued Deed = "continued" // SIGCONT
	Ended     Deed = "asked to end"
	Exited    Deed = "exited"
	Troubled  Deed = "troubled" // anything that is done to no process: faults, prices, delays
)

// Network is the program of incidents between a process and the server.
const Network = "network"

// Incident is a line of the log of processes and of the nemesis.
type Incident struct {
	Time    time.Time `json:"time"`
	Program string    `json:"program"` // worker-gamesdrop, nats-server …
	Process string    `json:"process"` // worker-gamesdrop-1
	Deed    Deed      `json:"deed"`
	Note    string    `json:"note,omitempty"`
}

// Standing is where a purchase stands in the shop's own books in the end.
type Standing struct {
	Provider string `json:"provider"`
	ID       string `json:"id"`
	Status   string `json:"status"`
}

// Hook is a callback that was sent to a door of ours.
type Hook struct {
	Time     time.Time `json:"time"`
	Provider string    `json:"provider"`
	Forged   bool      `json:"forged,omitempty"`
	Code     int       `json:"code"` // HTTP status of the answer; 0 for none
}

// Sample is what a process used at a moment.
type Sample struct {
	Process string `json:"process"`
	RSS     int64  `json:"rss"` // bytes
	FDs     int    `json:"fds"`
}

// Rate is the limit of requests to a provider.
type Rate struct {
	Requests int           `json:"requests"`
	Window   time.Duration `json:"window"`
}

// Limits bound what a run may take.
type Limits struct {
	Stuck time.Duration `json:"stuck"` // how long an order may stand still while nothing is broken
	Heal  time.Duration `json:"heal"`  // how long after the last fault all orders have ended
	RSS   int64         `json:"rss"`   // bytes of any process
	FDs   int           `json:"fds"`   // open files of any process
}

// History is everything that a run left behind.
type History struct {
	Seed   uint64 `json:"seed"`
	Again  string `json:"again"`  // the command that runs it again
	Commit string `json:"commit"` // of the programs

	// Quiet lasted until Faulty began; the last fault had ended at Healed; all
	// orders had ended at Settled, which is zero where they never did.
	Began, Faulty, Healed, Settled time.Time

	Limits    Limits                          `json:"limits"`
	Rates     map[string]Rate                 `json:"rates"`
	Orders    []Order                         `json:"orders"`
	Streams   map[string][]Message            `json:"-"`
	Copies    map[string][]Message            `json:"-"` // of EVENTS, by node, where there are several
	Books     map[string][]providertest.Entry `json:"-"`
	Standings []Standing                      `json:"standings"`
	Incidents []Incident                      `json:"incidents"`
	Hooks     []Hook                          `json:"hooks"`
	Samples   []Sample                        `json:"samples"`
	Logs      map[string]string               `json:"-"` // by process
	// Seen is what readers of EVENTS were given during the run: sequence → body.
	Seen map[uint64]string `json:"-"`
	// Secrets must appear nowhere; Goods nowhere but in the events of an order.
	Secrets map[string]string `json:"-"` // by name
	Goods   []string          `json:"-"`
}

// creates names the endpoints that buy, by provider.
var creates = map[string][]string{
	"balancesteam": {"v1_create", "create_topup", "create_gift_card"},
	"skinsback":    {"create"},
	"gamesdrop":    {"create_order"},
	"exchanger":    {"create_bid", "add_partner_payout"},
}

// references names the key of provider_ref that holds our reference, by kind.
var references = map[string]string{
	"offer": "reference", "telegram_stars": "reference", "deposit": "reference", "exchange": "api_id",
}

// Phases that shops of ours enter besides those of providertest.
const (
	paid   providertest.Phase = "paid"
	undone providertest.Phase = "undone"
)
