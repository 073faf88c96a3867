// Package providers is the port between the pipeline and the shops it buys
// from: what an adapter must offer ([Provider]), what it declares about itself
// ([Registration]), and the one closed set of error classes ([Class]).
//
// An adapter translates and nothing more. It never writes an event, never
// decides whether to try again, and never reports as refused what it does not
// know to be refused: an error nobody classified is [Ambiguous].
//
// Adapters live in folders of their own below this one; the pipeline imports
// this package only.
package providers
