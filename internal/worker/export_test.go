package worker

// The three switches that turn what a provider said into inputs, for the table
// that is held against the contract.
var (
	Owned    = owned
	Prepared = prepared
	Seen     = seen
)
