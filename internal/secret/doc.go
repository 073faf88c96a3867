// Package secret holds credentials in a type that cannot be printed, logged
// or marshalled: every way of rendering it gives "***". The text itself leaves
// only through [String.Reveal], at the moment a request is signed or sent.
//
// It never writes a secret anywhere, and it knows nothing of where secrets come
// from. Every package of Beltline may import it.
package secret
