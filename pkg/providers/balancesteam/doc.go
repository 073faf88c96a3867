// Package balancesteam buys at BalanceSteam (balancesteam.ru): top-ups of a
// Steam wallet (kind topup) and gift cards sent by e-mail (kind gift_card).
//
// The provider takes no key of ours and cannot be asked about a payment: a
// request whose answer is lost stays in doubt for ever, as far as the API goes.
// So this package promises that one call of Place sends at most one create,
// that only the documented texts of refusal count as a no, and that everything
// else is Ambiguous. It never repeats a create and Lookup never learns
// anything. What it can offer instead is evidence for the operator (see
// [Provider.Witness]). cmd/worker-balancesteam and cmd/beltline may import it;
// the pipeline knows the port only.
//
// # Endpoints
//
// From the integration instruction "Пополнение-Баланса-Стим.рф", read
// 2026-11-21; section names are translated. All are POST with a form, and
// answer JSON. apikey is in every form.
//
//	/api/partner/balance      1. Check the balance
//	/api/partner/check        2. Check the Steam login
//	/api/partner/create       3. Create an order
//	/api/v2/partner/balance   API V2: Check the balance
//	/api/v2/partner/check     API V2: Check the Steam login; availability of a gift card and its price
//	/api/v2/partner/create    API V2: Create an order (Steam balance); Create an order (gift card)
//
// Orders use version 2 only. The client has version 1 because it is documented.
//
// # Documented
//
// error:true has a message ("apikey not a valid") or a status ("balance over");
// status of a check is a bool, and false is a refusal of the account, not an
// error. id is the number of the payment. The price of a gift card includes the
// commission and changes about every ten minutes; its create takes no amount
// and no greatest price, so what is charged may differ from the quote. The card
// is mailed to the address given to create, while check takes any address.
//
// # Observed
//
// By public clients: amount and balance are RUB; service 5955 is Steam; every
// client takes error:false with an id for the end, there is no status method.
// The balance is a binary float widened (1526.3599853515625) or an integer; it
// is kept as the exact decimal of its literal.
//
// # Assumed
//
//   - error:true with any other text is a definite no: the request was refused
//     and nothing was executed. error:true without a text is in doubt.
//   - Booleans written as "true" and "false" and numbers written as strings
//     mean what they say.
//   - A 5xx is in doubt whatever its body says; under any other status a body
//     that can be read is the truth. 429 without success did nothing.
//   - amount may have kopecks.
//   - No rate limit is documented; 60 requests a minute is our own.
package balancesteam
