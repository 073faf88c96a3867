// Command hold measures what waiting orders cost. It puts many deposits on
// hold at SkinsBack's fake, through the pipeline itself, in real processes:
// nats-server, the dispatcher and the worker. An empty system of the same
// programs runs beside it, so that every figure has one to stand next to that
// was taken in the same minute on the same machine: memory and disk, the cost
// of doing nothing, the time that restarts take, and the latency of a single
// new order, from the publish of its submit until an upstream consumer reads
// its action_required.
//
// New orders alternate between the two systems, in an order drawn by lot. They
// do so once before the orders are put on hold as well: the ratio of two
// systems that are both empty says how much of the other ratio is noise.
//
// Callbacks of the shop put the orders on hold while the worker's polling is
// out of the way; then the worker is started again with the default times. What
// is measured is so the state of orders that have been on hold for some hours:
// their timers lie up to POLL_MAX ahead, and the sweeper, which has the default
// times throughout, takes them for suspects and keeps looking after them.
//
// It reads /proc and calls from many addresses of the loopback network, so it
// runs on Linux only. Absolute figures are the machine's; ratios and figures
// per order are ours.
package main
