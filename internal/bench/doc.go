// Package bench measures the pipeline beside a bare JetStream loop that does the
// same job: an order of 400 bytes is stored, an intent is stored, an HTTP POST
// goes to an instant shop, its outcome is stored, and another consumer reads it.
//
// It promises that both are measured alike: on servers of their own that are
// processes, with programs that are processes, in one run and by turns, on one
// machine; and that a figure is only told where every order came back and the
// shop's books hold each exactly once. Ratios of one run compare; figures of
// different runs or machines do not.
//
// The programs are those of production, in processes that this executable starts
// of itself: [Part] is what they do. It never connects to anything but what it
// has started, and removes all of it. Only cmd/beltline imports it, because it
// links the server.
package bench
