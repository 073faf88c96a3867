package mutant

import "time"

// Mutant is one way to break the pipeline.
type Mutant struct {
	ID   string
	What string // it does
	// Invariant must catch it, as the checker of the crash rig names it; for one
	// that a unit test catches, it is what that test shows.
	Invariant string
	// Test is the unit test that catches it, as "<package> <name>", where the rig
	// would need too much luck; empty where the rig does.
	Test string
}

// Of returns the mutant with an ID.
func Of(id string) (Mutant, bool) {
	for _, m := range All() {
		if m.ID == id {
			return m, true
		}
	}
	return Mutant{}, false
}

// All lists the mutants. M1 to M20 are those of the catalogue, as far as the
// design has what they break: no permit is ever given back here, so M9 uses one
// that is too old instead; results are the events themselves, so M11 puts a
// message id in the place of their compare-and-set.
func All() []Mutant {
	return []Mutant{
		{ID: "M1", What: "calls without an intent", Invariant: "I1b"},
		{ID: "M2", What: "acknowledges before the outcome", Invariant: "I14"},
		{ID: "M3", What: "sends again what is in doubt", Invariant: "I1"},
		{ID: "M4", What: "takes unknown for refused", Invariant: "I2b"},
		{ID: "M5", What: "appends without compare-and-set", Invariant: "I1", Test: "internal/ledger TestAppend_OfManyRacersExactlyOneWins"},
		{ID: "M6", What: "believes a refusal after a lost answer", Invariant: "I2", Test: "internal/ledger TestAppend_ALostAcknowledgementIsFoundAndNotRepeated"},
		{ID: "M7", What: "takes an append without an answer for stored", Invariant: "I1", Test: "internal/worker TestSend_AnIntentThatWasNotStoredSendsNothing"},
		{ID: "M8", What: "asks neither lease nor permit before it sends", Invariant: "I1", Test: "internal/worker TestSend_TheGuardIsAskedAtTheLastMoment"},
		{ID: "M9", What: "uses a permit however old it is", Invariant: "I3", Test: "internal/worker TestSend_APermitThatIsTooOldSendsNothing"},
		{ID: "M10", What: "asks without permits", Invariant: "I3"},
		{ID: "M11", What: "trusts message ids instead of compare-and-set", Invariant: "I1", Test: "internal/ledger TestAppend_OfManyRacersExactlyOneWins"},
		{ID: "M12", What: "believes a callback without a lookup", Invariant: "I7", Test: "internal/worker TestH7_TheLookupDecidesAndTheClaimIsKeptBesideIt"},
		{ID: "M13", What: "quotes the request in an error", Invariant: "I10"},
		{ID: "M14", What: "keeps amounts as binary floats", Invariant: "I13"},
		{ID: "M15", What: "lets net/http send a request again", Invariant: "I4", Test: "internal/providerhttp TestCreate_IdempotencyHeadersAndEmptyBodiesAreNotSentTwice"},
		{ID: "M16", What: "takes a new reference after a duplicate", Invariant: "I1"},
		{ID: "M17", What: "reads exchange_success as the manual has it", Invariant: "I2b", Test: "pkg/providers/exchanger TestLookup_GoesOnWithoutTheMethodsThatTheKeyLacks"},
		{ID: "M18", What: "sweeps nothing", Invariant: "I8", Test: "internal/dispatcher TestSweep_PurgedQueueGetsACommandForEveryUnfinishedOrder"},
		{ID: "M19", What: "follows redirects", Invariant: "I10", Test: "internal/providerhttp TestCreate_FollowsNoRedirect"},
		{ID: "M20", What: "buys on an older ledger", Invariant: "I9", Test: "internal/fence TestRollback_OfTheWholeStoreBuysNothingTwice"},
		{ID: "M21", What: "takes a repeat's no for the first request's", Invariant: "I1", Test: "internal/order TestApply_ARepeatsWrongPriceLeavesTheLostAnswerInDoubt"},
		{ID: "M22", What: "acknowledges without a successor", Invariant: "I14"},
		{ID: "M23", What: "ignores a closed lane", Invariant: "the lane", Test: "internal/worker TestLane_NoMoneyClosesItForAllReplicasAndBurnsNoOrders"},
		{ID: "M24", What: "leaves the tenant out of the reference", Invariant: "I6"},
		{ID: "M25", What: "drops an outcome after a side event", Invariant: "I2", Test: "internal/worker TestOwnership_ASideEventDuringTheCallDoesNotLoseTheOutcome"},
	}
}

// Patience is how long a test waits for what must come: d, or a quarter of it in
// a build with mutants, where mostly it never comes.
func Patience(d time.Duration) time.Duration {
	if Enabled {
		return d / 4
	}
	return d
}
