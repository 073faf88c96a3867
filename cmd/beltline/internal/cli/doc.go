// Package cli is the command line of `beltline`.
//
// It promises that results go to standard output and everything else to
// standard error; that a command that cannot reach NATS says so at once; that
// nothing submitted is skipped silently; and that the exit code tells success
// (0), failure (1), wrong usage (2) and "no such order" (3) apart.
//
// It never decides about an order: it does what any upstream system could do.
// Only cmd/beltline imports it; tests run it as a process.
package cli
