package providertest

import "context"

// Checks names every check.
func Checks() []string {
	var names []string
	for _, c := range checks() {
		names = append(names, c.name)
	}
	return names
}

// Broken runs one check on the first sample and returns what it found.
func Broken(ctx context.Context, s Suite, name string) error {
	for _, c := range checks() {
		if c.name == name {
			return c.run(&bench{ctx: ctx, suite: s, sample: s.Samples[0]})
		}
	}
	return nil
}
