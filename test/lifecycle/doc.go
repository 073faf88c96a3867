// Program lifecycle restarts every program of Beltline, one after the other,
// while orders keep coming: two replicas of the dispatcher and of all four
// workers, as processes of their own, beside a real nats-server and shops with
// books. The shops take turns; customers pay their deposits and exchanges as soon
// as they are told where, and the workers find that out by asking.
// Each is asked to end by SIGTERM, waited for, started again and waited for
// until /readyz says that it is ready, and only then the next one is asked.
//
// It tells how many orders were lost and how many bought twice, by the shops'
// books, and how long orders took before and meanwhile, as a ratio for each shop:
// both are measured in the same run, because a machine that is busy is busy for
// both. Of the slowest orders it tells what each of their steps waited for, and
// how often orders were put off because nothing could be sent for them: a machine
// that is too slow for its load shows there first.
// `make bench-restart` runs it; the test of this folder runs a short one and
// judges what must hold on any machine.
//
// Its tests also replace credentials while orders run, and put messages of
// later versions before programs of this one.
//
// It never judges absolute speed. Nothing imports it.
package main
