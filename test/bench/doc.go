// Command bench measures the pipeline beside a bare JetStream loop, in one run
// and on one server each: orders per second in a burst, and the time from
// submit to the terminal event at a third of that rate. Figures of different
// runs or machines do not compare; the ratios of one run do.
//
// The job is the same for both: an order of about 400 bytes is stored, claimed
// by compare-and-set, sent to an instant HTTP provider, its outcome stored and
// read by another consumer. The pipeline does more for it: it validates the
// order, checks the account with the provider first (a second HTTP request),
// keeps to a rate limit (set out of the way) and writes three events.
package main
