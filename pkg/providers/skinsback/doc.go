// Package skinsback takes deposits of skins at SkinsBack (skinsback.com): kind
// deposit. The customer pays with skins and we receive; nothing is bought, but
// an order that was paid and not seen is money lost all the same.
//
// It promises that one call of Place sends at most one create, always under the
// order's own reference; that "order id already exists" and every answer it does
// not know stay in doubt; that only the document's own words end a deposit; and
// that no sum is told which the provider did not name. It never decides that a
// link was lost, never makes a second reference, and never believes a webhook:
// [VerifyCallback] says who wrote it, the lookup says what is true.
// cmd/worker-skinsback and cmd/beltline may import it; the pipeline knows the
// port only.
//
// # Endpoints
//
// One address, [DefaultURL], POST with a form; the field method chooses. Read
// 2026-11-21.
//
//	method=create       "Создание депозита" (creating a deposit)
//	method=orderstatus  "Verificação do status do depósito" (checking its status)
//
// # Documented
//
// Requests bear X-CLIENT-ID and X-CLIENT-SECRET, or shopid and sign. order_id is
// ours and unique; a second create with it is error 5 and does not repeat the
// first answer. orderstatus finds a deposit by order_id or transaction_id; it
// never has the pay URL. The customer pays any sum, within min_amount and
// max_amount if these are given, and may change the Steam account while paying.
// A deposit is pending, then success, fail or in_hold; in_hold becomes success
// or fail. Shops without the eight days of waiting also see hold_approved and
// hold_returned. amount is what the customer gave, user_amount the same with
// the project's multiplier. transaction_id is a number in create and a string in
// orderstatus. At most 500 requests a minute, else error -7.
//
// # Observed
//
// In the vendor's further pages and in public clients: errors come with HTTP
// 200; the signature is HMAC-SHA1 over "key:value;" sorted by key, without
// arrays and objects; a webhook to result_url has the fields of orderstatus and
// sign. Numbers come as numbers or as strings. Error -6 was seen
// where a market was switched off; the document does not know it, so it is believed
// no more than any other unknown code.
//
// # Assumed
//
//   - currency is among create's parameters: it stands in both examples and is
//     missing from the list. It is sent in small letters, as there.
//   - The codes 1 to 15 are refusals of create even where the document leaves a
//     gap; any other positive code is in doubt.
//   - A deposit on hold that tells no in_hold_until is held for eight days from
//     skins_send_date, or else from date.
//   - Success is final. A success that came before the announced end of a hold
//     is still watched until that end, in case it is taken back.
//   - Error 4 of orderstatus means absent; that it is not merely late is for the
//     caller to find out by asking again.
//   - A 5xx or a redirect is in doubt whatever its body says. Under 4xx a
//     readable error counts, anything else does not.
//   - A webhook's boolean is signed as PHP writes it ("1" or nothing), and null
//     as nothing. The content type may be a form or JSON. Its date is that of
//     the deposit, as in orderstatus; when it was sent it does not say.
package skinsback
