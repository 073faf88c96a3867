package ledger

// APIPrefix is what Open makes of a client and Options.Prefix.
var APIPrefix = apiPrefix

// Together makes l store whatever waits in batches.
func Together(l *Ledger) { l.commits.Eager() }
