// Package vitals finds out how the work for a provider stands at this moment:
// its lane, its rate limit, what waits, which workers serve it, and what we
// have there.
//
// It promises that what could not be found out is named with the reason, and
// never shown as nothing; and that a lane can be paused and resumed though the
// service that does so is away. It never asks a provider anything that buys.
//
// Only cmd/beltline imports it.
package vitals
