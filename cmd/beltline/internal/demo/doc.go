// Package demo is the demonstration: a stage with NATS, the dispatcher, four
// workers and four fake providers in one process, a script of orders that meet
// everything that can happen to an order, and an audit.
//
// It promises that the programs on the stage are the very ones of cmd/, told
// apart from production by shorter times and the providers' addresses only;
// that the script speaks over NATS as any upstream would; and that the audit
// takes nobody's word: it compares events with the books of the fake providers.
// The script waits for what happens, never for time to pass, and so do the
// customers in it: they act when upstream is told that it is their turn.
//
// It never reaches any address but the loopback interface. Only the packages of
// cmd/beltline, and their tests, may import it.
package demo
