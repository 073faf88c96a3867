package messages

import "time"

// Decision is what an operator decides about an order that nobody can look up.
type Decision string

// The decisions.
const (
	DecidedSucceeded  Decision = "succeeded"
	DecidedFailed     Decision = "failed"
	DecidedPlaceAgain Decision = "place_again"
)

// Resolve is an operator's decision about an order.
type Resolve struct {
	Tenant string `json:"tenant"`
	ID     string `json:"id"`
	// ExpectedN is the n of the event that the decision rests on.
	ExpectedN    uint64   `json:"expected_n"`
	Decision     Decision `json:"decision"`
	NewReference bool     `json:"new_reference,omitempty"`
	Evidence     any      `json:"evidence"` // a text or an object
	By           string   `json:"by"`
	DryRun       bool     `json:"dry_run,omitempty"`
}

// Resolution answers a Resolve: the event that was written, or would be.
type Resolution struct {
	DryRun bool  `json:"dry_run" about:"Nothing was written."`
	Event  Event `json:"event" about:"The event that was written; of a dry run the one that would be."`
	// Next is what the order does by itself now.
	Next *NextStep `json:"next" about:"What is done next by itself; null where nothing is."`
}

// NextStep is what an order waits for.
type NextStep struct {
	Verb Verb      `json:"verb" about:"place or check."`
	At   time.Time `json:"at"`
}

// LaneAction is what an operator does with a lane.
type LaneAction string

// The actions on a lane.
const (
	LanePause  LaneAction = "pause"
	LaneResume LaneAction = "resume"
	LaneShow   LaneAction = "status"
)

// LaneAsked asks for a lane, or changes it.
type LaneAsked struct {
	Provider Provider   `json:"provider"`
	Action   LaneAction `json:"action"`
	By       string     `json:"by,omitempty"`
	Reason   string     `json:"reason,omitempty"`
}

// LaneStatus is the state of a provider's lane and of its rate limit.
type LaneStatus struct {
	Provider Provider `json:"provider"`
	Changed  bool     `json:"changed" about:"Whether this request changed the lane."`
	State    string   `json:"state" about:"open, closed, or probing: one order is placed to see whether it may be opened."`
	// Paused: an operator has closed it, and it stays closed until one opens it.
	Paused  bool        `json:"paused" about:"An operator closed it; it stays closed until it is resumed."`
	Reason  *string     `json:"reason" about:"Why it is closed: the provider's code, or paused."`
	Message *string     `json:"message" about:"What the provider said, or the reason that the operator gave."`
	Since   *time.Time  `json:"since"`
	Until   *time.Time  `json:"until" about:"When it is tried again by itself."`
	By      *string     `json:"by" about:"Who changed it last: an operator, or an instance of a worker."`
	Limit   *LimitInUse `json:"limit" about:"The rate limit that all replicas share; null where it cannot be seen."`
}

// LimitInUse is how much of a provider's rate limit is used.
type LimitInUse struct {
	Requests int    `json:"requests" about:"How many requests may be made in a window."`
	Window   string `json:"window" about:"The window, with the margin that requests may take to arrive."`
	InUse    int    `json:"in_use" about:"How many were granted within the last window."`
	FreesIn  string `json:"frees_in" about:"How long until a request may be made; 0s where one may be made now."`
}

var operatorMethods = []method{
	{
		name: "list", about: "The orders of all tenants, those that were accepted last first.",
		fields: append([]field{may("tenant", tenantToken(), "Orders of this tenant.")}, listFields()...),
		made:   madeOrdersAsked, answer: OrderPage{},
	},
	{
		name: "get", about: "The last event of an order of any tenant.", fields: operatorAskFields(), made: madeOrderAsked,
		answer: schema{"$ref": "event.json"},
	},
	{
		name: "history", about: "All events of an order of any tenant, in the order of n.", fields: operatorAskFields(), made: madeOrderAsked,
		answer: schema{"type": "array", "items": schema{"$ref": "event.json"}},
	},
	{
		name: "resolve", about: "Decides about an order that nobody can look up.", fields: resolveFields(), answer: Resolution{},
		crossed: func(c *checker, r record) {
			if get[bool](r, "new_reference") && get[Decision](r, "decision") != DecidedPlaceAgain && r.value("decision") != nil {
				c.fault("/new_reference", "is for the decision place_again only")
			}
		},
		made: func(r record) any {
			return Resolve{
				Tenant: get[string](r, "tenant"), ID: get[string](r, "id"), ExpectedN: uint64(get[int64](r, "expected_n")), //nolint:gosec // positive
				Decision: get[Decision](r, "decision"), NewReference: get[bool](r, "new_reference"),
				Evidence: r.value("evidence"), By: get[string](r, "by"), DryRun: get[bool](r, "dry_run"),
			}
		},
	},
	{
		name: "lane", about: "Pauses or resumes the placing at a provider, or shows its lane. A pause is in force when it is answered: no request is sent afterwards whose intent was not stored before.", fields: laneFields(), answer: LaneStatus{},
		crossed: func(c *checker, r record) {
			if action := get[LaneAction](r, "action"); (action == LanePause || action == LaneResume) && !r.given("by") {
				c.fault("/by", "is required to pause or resume")
			}
		},
		made: func(r record) any {
			return LaneAsked{Provider: get[Provider](r, "provider"), Action: get[LaneAction](r, "action"), By: get[string](r, "by"), Reason: get[string](r, "reason")}
		},
	},
}

func operatorAskFields() []field {
	return append([]field{need("tenant", tenantToken(), "Whose order it is.")}, askOrderFields()...)
}

func resolveFields() []field {
	return append(operatorAskFields(),
		need("expected_n", integer(), "The n of the event that the decision rests on."),
		need("decision", oneOf(DecidedSucceeded, DecidedFailed, DecidedPlaceAgain), "What is to become of the order."),
		may("new_reference", boolean(), "With place_again: place it under a new reference at the provider."),
		need("evidence", evidence(), "What the decision rests on: a text or an object, at most 8 KB."),
		need("by", text(128), "Who decides."),
		may("dry_run", boolean(), "Write nothing, and say what would be written."),
	)
}

func laneFields() []field {
	return []field{
		need("provider", oneOf(Providers()...), ""),
		need("action", oneOf(LanePause, LaneResume, LaneShow), ""),
		may("by", text(128), "Who asks; required to pause or resume."),
		may("reason", text(500), "Why; kept as message while the lane is paused."),
	}
}

// DecodeOperatorAsk reads a question of get or history of the service operator.
func DecodeOperatorAsk(body []byte) (OrderAsked, error) {
	return decodeRequest[OrderAsked](operatorMethods[1], body)
}

// DecodeOperatorList reads a question of list of the service operator.
func DecodeOperatorList(body []byte) (OrdersAsked, error) {
	return decodeRequest[OrdersAsked](operatorMethods[0], body)
}

// DecodeResolve reads an operator's decision.
func DecodeResolve(body []byte) (Resolve, error) {
	return decodeRequest[Resolve](operatorMethods[3], body)
}

// DecodeLane reads a request about a lane.
func DecodeLane(body []byte) (LaneAsked, error) {
	return decodeRequest[LaneAsked](operatorMethods[4], body)
}
