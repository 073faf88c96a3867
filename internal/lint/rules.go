package lint

// Rule is one rule of the house.
type Rule struct {
	Name  string // a sentence
	Why   string // what would break otherwise
	Check func(*Tree) []Violation
}

// Rules lists every rule.
func Rules() []Rule {
	return append(security(), []Rule{
		{
			Name:  "packages import only what lies below them",
			Why:   "a cycle of ideas is found long before the compiler finds one of packages",
			Check: importDirection,
		},
		{
			Name:  "libraries are used only where they belong",
			Why:   "an upstream that imports pkg/ must not get NATS unless it imports the client, and only one binary may carry the server",
			Check: libraries,
		},
		{
			Name:  "every package says what it promises",
			Why:   "a reader who has to guess what a package never does will make it do that",
			Check: packageDocs,
		},
		{
			Name:  "every exported name is documented",
			Why:   "pkg/ is read by other teams in their editor",
			Check: exportedDocs,
		},
		{
			Name:  "files have at most 400 lines and functions at most 70",
			Why:   "a step that can lose money must fit on a screen",
			Check: sizes,
		},
		{
			Name:  "no float is near money",
			Why:   "0.1 + 0.2 is not 0.3",
			Check: floats,
		},
		{
			Name:  "decimals cannot be compared by ==",
			Why:   "1.0 and 1.00 are the same amount, and == says no",
			Check: decimals,
		},
		{
			Name:  "no test sleeps",
			Why:   "a sleep is too long on every good day and too short on the bad one",
			Check: sleeps,
		},
		{
			Name:  "no test is skipped silently",
			Why:   "green must mean tested",
			Check: skips,
		},
		{
			Name:  "no package is named after nothing",
			Why:   "what is called util is where everything ends up",
			Check: packageNames,
		},
		{
			Name:  "no path of a developer's machine is written down",
			Why:   "it works for one person, and tells the world about them",
			Check: machinePaths,
		},
		{
			Name:  "every provider is whole",
			Why:   "an order for a provider without a worker is accepted and waits for ever, and an adapter that no fake has tested buys twice",
			Check: wholeProviders,
		},
		{
			Name:  "every test that a document names exists",
			Why:   "a promise whose test is gone is only a sentence",
			Check: namedTests,
		},
	}...)
}
