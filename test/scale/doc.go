// Command scale measures what a ledger that has become large costs: a million
// orders that have ended, and then a million on hold on top of them, beside a
// system of the same programs that has next to nothing. Everything runs in
// processes of its own, and both systems take turns in one run (package beside).
//
// The pipeline would need an hour to make so many orders, and the shop's books
// as much memory as what is measured. So each system runs one order of each
// kind through its pipeline, and all others are copies of its events, written to
// the streams directly while the programs are stopped: with their own ids,
// references and times, and linked by the same compare-and-set, which the
// server checks. Before anything is measured, samples are read back by the
// ledger's own reader, and the sweeper and the lists must count what was written.
//
// Orders that have ended are three events of a top-up at BalanceSteam each.
// Those on hold are deposits at SkinsBack: four events, and a timer that is
// due in the days to come.
//
// It fails when an order that was submitted while it measured did not end, or
// the shop's books have it twice. It judges no time. It reads /proc, so it runs
// on Linux only.
package main
