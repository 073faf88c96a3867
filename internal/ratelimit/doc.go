// Package ratelimit grants permits for requests to a provider. Every request,
// placing and checking alike, draws on one limit.
//
// For now [Local] keeps the limit of one process; workers see only [Limiter],
// which the limiter shared by all replicas will fill.
package ratelimit
