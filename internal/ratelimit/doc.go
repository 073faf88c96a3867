// Package ratelimit grants permits for requests to a provider: at most L in
// any window W at the provider, over all replicas and all methods.
//
// The fence is the provider's permit stream: a permit is a message in it, and
// the server refuses number L+1 while L permits live. A permit lives for W and
// [Margin], and must be used before Margin has passed, so that what counts is
// when requests arrive. No client's clock takes part, and no fault of this
// package can break it; a step of the server's own clock, or a stream that was
// deleted, can.
//
// On top of the fence lies what makes it fair and quiet, and none of it matters
// to its safety: replicas that find the limit nearly used up book slots by
// compare-and-set instead of polling, and hand each slot to the most urgent of
// their waiters.
//
// Permits are never given back. Worker and programs import it, and
// internal/providerhttp, which throws stale permits away.
package ratelimit
