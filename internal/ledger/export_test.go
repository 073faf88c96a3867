package ledger

// APIPrefix is what Open makes of a client and Options.Prefix.
var APIPrefix = apiPrefix
