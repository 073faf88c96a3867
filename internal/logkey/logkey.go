package logkey

// What a line is about.
const (
	Service  = "service"  // the program
	Version  = "version"  // its version
	Commit   = "commit"   // the commit it was built from
	Instance = "instance" // one running process of the program
	Part     = "part"     // a component inside the program
	TraceID  = "trace_id" // of the order or the question, where it has one
)

// The order and its place in the ledger.
const (
	OrderID   = "order_id"
	Tenant    = "tenant"
	Provider  = "provider"
	Kind      = "kind"
	Attempt   = "attempt"
	Nonce     = "nonce"
	Reference = "reference"
	N         = "n"
	StreamSeq = "stream_seq"
	From      = "from"
	To        = "to"
	Event     = "event"
)

// The message that is being worked on.
const (
	Stream     = "stream"
	Consumer   = "consumer"
	Subject    = "subject"
	Verb       = "verb"
	Deliveries = "deliveries"
	Reason     = "reason"
	Seq        = "stream_seq"
	Lane       = "lane"
	Faults     = "faults"
)

// What came of it.
const (
	Class      = "class"
	Code       = "code"
	HTTPStatus = "http_status"
	RetryAt    = "retry_at"
	Until      = "until"
	Elapsed    = "elapsed"
	Count      = "count"
)

// The shell itself.
const (
	Addr      = "addr"
	URL       = "url"
	Signal    = "signal"
	Deadline  = "deadline"
	Config    = "config"
	Source    = "source"
	Exit      = "exit"
	Deadlines = "deadlines"
	Changed   = "changed"  // the secrets that were replaced, by name
	Settings  = "settings" // names of settings
)
