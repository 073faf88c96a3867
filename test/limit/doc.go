// Command limit shows the rate limit from outside: real workers as processes of
// their own, a real nats-server, the dispatcher, and in this process a shop that
// writes down when each request arrives. It judges by that log alone, over every
// sliding window.
//
// It saturates one, four and sixteen workers, at a limit that fills and empties
// in seconds and at the real one of SkinsBack; it kills workers and servers,
// pauses them, puts a clock wrong and moves the leader of a cluster; and it
// measures what a permit costs where the limit is far away, and how long a
// customer waits behind a backlog.
//
// Run it by `make bench-limit`, with LIMIT=-quick for the short form. It ends
// with 1 if a target is missed.
//
// It never touches a real provider and needs no network beyond the loopback
// interface. One thing in it is not the real program: the worker whose clock is
// wrong is built from the same sources with another time.Now (see skew.go).
package main
