// Package exchanger orders at exchangers that run the Premium Exchanger script:
// exchanges that the customer pays (kind exchange) and payouts of the partner's
// earnings (kind partner_payout).
//
// It promises that one call of Place sends at most one create_bid or
// add_partner_payout; that a bid always bears the order's own numeric api_id;
// that a lost bid is looked for in the key's own list, compared on our side,
// and never by the server's api_id filter; that only success, cancel and delete
// end a bid, and an error status never does; and that no markup of a site
// reaches a message or an action. It never confirms or cancels a bid by itself,
// never calls success_bid, and never repeats a payout.
// cmd/worker-exchanger and cmd/beltline may import it; the pipeline knows the
// port only.
//
// # Endpoints
//
// From the script's manual, page "API v1", read 2026-11-21. All are POST to
// https://DOMAIN/api/userapi/v1/METHOD:
//
//	test  get_direction_currencies  get_directions  get_direction  get_calc
//	get_exchanges  create_bid  cancel_bid  pay_bid  bid_info
//	get_partner_info  get_partner_links  get_partner_exchanges
//	get_partner_payouts  add_partner_payout
//
// # Documented
//
// Headers API-LOGIN, API-KEY and API-LANG; parameters in the body; answers in
// JSON. Errors are the texts "Api disabled", "No bid exists", "Method not
// supported", "Direction not found", and an empty answer. A bound may be "no".
// exchange_success is documented the wrong way round and is not used. A bid
// is cancelled or reported as paid only where api_actions says "api". The
// callback brings bid_id and status, and no signature.
//
// # Observed
//
// In the script (2.7) and in public clients: the envelope
// {"error","error_text","error_fields","data"} under HTTP 200 whatever
// happened, where error is an integer for some methods and a string for others;
// data is [] or "" where there is none; lists come as arrays or objects; a JSON
// body is ignored without a word, so only forms are sent. An unknown direction
// is error "0" with data []. The manual leaves out api_actions.address and
// dest_tag, course_give and course_get. create_bid takes more than two seconds.
// A repeated numeric api_id is refused with "api id not unique"; one that is no
// number is not compared at all. The api_id filter of get_exchanges is applied
// to the bid's id. "No bid exists" is also said of bids that exist. Times are
// those of the site's clock, off by its zone; get_exchanges shows the time of
// the last change. The name of get_partner_links is lost in the manual.
// amount_give of a bid has the site's fee and not the payment system's, which
// sum_give_com has as well; amount_get is sum_get_com. The options of a field
// are keys with labels, and create_bid takes the key.
//
// # Assumed
//
//   - Error 1 as an integer is the account, 2 as an integer the address, 3 as an
//     integer a method that is not enabled; "3" as a string is a refusal of what
//     was sent, by create_bid only with error_fields; "2" as a string is
//     maintenance in the site's own words, or, where the text says so, an action
//     that is disabled. Any other number is in doubt.
//   - A refusal of add_partner_payout that has a text did nothing. It may be
//     the integer 1, like "Api disabled"; then it is the account only if the text
//     is empty or speaks of the API.
//   - "no active partner program" and "no partner id" are the site's setting: no
//     payout can be asked for.
//   - The fields of a direction are named as create_bid takes them (account1,
//     account2, cf6, cfgive8).
//   - cd is encoded as the vendor's own client does: each value, then the query,
//     then the whole.
//   - The ids of payouts grow, so that a payout above all that were seen before
//     the intent is a new one. Two payouts to one account in doubt at the same
//     time cannot be told apart: the pipeline keeps them one after the other.
//   - A bid may be cancelled by hand after it was paid; cancel does not say
//     whether the customer's money went back.
package exchanger
