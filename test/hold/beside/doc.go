// Package beside runs Beltline as processes of its own with a nats-server of its
// own, and a second one beside it, so that every figure that is measured has
// one to stand next to that was taken in the same minute on the same machine.
//
// It promises that what it measures is the programs as they are shipped, that
// single orders alternate between the two systems in an order drawn by lot, and
// that nothing it has started outlives [System.Stop]. It never judges a figure.
// It reads /proc, so it works on Linux only. The commands of test/ that measure
// import it.
package beside
