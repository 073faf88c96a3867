// Package providerhttp is the one HTTP client through which every provider is
// called. It knows nothing of any provider; it knows what left the machine.
//
// It promises:
//   - A creating request is sent at most once, and only while its guard agrees
//     (see providers.WithSendGuard). The guard runs just before the first byte.
//   - "Not sent" is said only when not one byte of the request was handed to
//     the connection. Everything after that is Ambiguous, never "failed".
//   - A request ends within its time-out, the body included, and no answer
//     costs more than 256 KB of memory.
//   - No redirect is followed, no proxy is taken from the environment, and
//     nothing that a provider sent stands raw in an error.
//
// It never retries: whether a request may be repeated is for the order's state
// to decide. Only the provider adapters below pkg/providers, their conformance
// suite and the programs that build them may import it.
package providerhttp
