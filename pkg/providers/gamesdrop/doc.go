// Package gamesdrop buys at GamesDrop (gamesdrop.io): game goods and codes
// (kind offer) and Telegram Stars (kind telegram_stars).
//
// It promises that one call of Place sends at most one create-order, always
// under the order's own reference; that "duplicate", "unavailable" and every
// answer it does not know stay in doubt; and that a goods code leaves only in
// a deliverable. It never takes a new transactionId by itself, though the
// document advises that for TRANSACTION_DUPLICATE: after a lost answer it would
// buy twice. cmd/worker-gamesdrop and cmd/beltline may import it; the pipeline
// knows the port only.
//
// # Endpoints
//
// From the merchant guide "GamesDrop.io API", read 2026-11-21; section names
// are translated. All but the last are relative to [DefaultURL].
//
//	GET  /api/v1/balance                     Balance management: checking the balance
//	GET  /api/v1/balance/transactions        Balance management: history of transactions
//	POST /api/v1/offers/find-one             Information about a product; Telegram Stars 1
//	POST /api/v1/offers/create-order         Creating an order; Telegram Stars 2
//	POST /api/v1/offers/order-status         Checking the status of an order
//	POST /api/v1/offers/check-game-data      Checking the player
//	POST [DefaultTelegramURL]                Validation of Telegram users
//
// # Documented
//
// The token stands bare in Authorization. offerId is a number, except for
// telegram_stars_*, where it is a string. transactionId is ours and unique; a
// second use answers TRANSACTION_DUPLICATE and not the first answer. Orders are
// SUBMITTED, PROCESSING, COMPLETED, CANCELED or REFUND. key comes only with
// COMPLETED and isReturnDataForCustomer. A Telegram user can be verified and
// still have no id. The Stars example asks for 0.77 and is charged 0.78, so the
// cost is what the answer says. createdAt has two formats.
//
// # Observed
//
// By other clients of the live service: the base URL; a wrong token is HTTP 401
// with {"error":{"code":"INVALID_TOKEN"}}; check-game-data answers HTTP 200 for
// VALID and INVALID alike. No endpoint finds an order by transactionId, and
// there is no webhook.
//
// # Assumed
//
//   - Other errors have one of four shapes (see errors.go) under any HTTP status.
//     A 5xx is in doubt even where it bears the code of a definite no.
//   - customer.gameServerId is accepted by create-order; the document has it for
//     check-game-data only.
//   - INVALID of check-game-data means the player only if find-one has just
//     known the offer; that is why find-one goes first.
//   - The documented rate of 30 requests per second, named for Telegram, is
//     taken for all methods.
//   - COMPLETED without a key, where isReturnDataForCustomer is true or cannot
//     be read, is not finished for an offer: the key is polled for. Stars have
//     no key at all.
//   - CANCELED does not say that the money came back; only REFUND does.
//   - The newest transactions come first, as in the example.
package gamesdrop
