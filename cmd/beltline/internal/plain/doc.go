// Package plain says in words that a person understands what an event means,
// and draws lines and tables of events.
//
// It promises that no word depends on anything but the event, and that colors
// appear only where they were asked for. It never shows a deliverable in a line
// of progress: goods codes belong to whoever asks for the order.
//
// Only the packages of cmd/beltline may import it.
package plain
