package worker

// The three switches that turn what a provider said into inputs, for the table
// that is held against the contract.
var (
	Owned    = owned
	Prepared = prepared
	Seen     = seen
)

// PayoutKey is the key of a target's turn.
var PayoutKey = payoutKey

// TurnsMark says that all doubts of the ledger have their keys in the bucket.
const TurnsMark = turnsMark
