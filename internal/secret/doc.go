// Package secret holds credentials in a type that cannot be printed, logged
// or marshalled: every way of rendering it gives "***". The text itself leaves
// only through [String.Reveal] and [RevealAll], at the moment a request is
// signed or sent.
//
// A secret can be replaced while the program runs: [Replace] changes what all
// copies of a [String] reveal from then on, of several at one instant. A request
// that was built before keeps what it was built with.
//
// It never writes a secret anywhere, and it knows nothing of where secrets come
// from. Every package of Beltline may import it.
package secret
