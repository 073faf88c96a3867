// Package fleet runs several of Beltline's programs inside one process, with a
// nats-server of their own: what `beltline demo` and `beltline up` stand on.
//
// It promises that the programs are the very ones of cmd/, with their own
// configuration, log and drain; that each can be waited for until it is ready;
// and that the server outlives all of them, so that their last writes are kept.
// The server syncs every write before it answers: what was acknowledged
// survives a power cut.
//
// It never listens beyond the loopback interface, because the server asks
// nobody for a password. Only the packages of cmd/beltline may import it.
package fleet
