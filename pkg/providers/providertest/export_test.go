package providertest

import "context"

// Broken runs every check and returns what each one found.
func Broken(ctx context.Context, s Suite) map[string]error {
	found := map[string]error{}
	for _, sample := range s.Samples {
		for _, c := range checks() {
			if c.keyedOnly && !s.Keyed {
				continue
			}
			if err := c.run(&bench{ctx: ctx, suite: s, sample: sample}); err != nil {
				found[c.name] = err
			}
		}
	}
	return found
}
