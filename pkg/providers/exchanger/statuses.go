package exchanger

// bidKind is what a bid's status means to an order.
type bidKind uint8

const (
	bidNeedsHelp bidKind = iota // somebody at the exchanger must act; also every word that nobody knows
	bidUnborn                   // not created yet: it may still vanish
	bidWaiting                  // the customer must act
	bidWorking                  // under way
	bidMayStick                 // under way, and on some sites for as long as nobody at the exchanger acts
	bidDone                     // success
	bidGone                     // cancelled or deleted
)

// bidKinds is the table of the script's statuses. What is not in it, among
// them the sites' own my<N>, archived and realdelete, needs somebody to look:
// an error status is never taken for a failure, because money may have moved.
var bidKinds = map[Text]bidKind{
	"auto": bidUnborn,

	"coldnew": bidWaiting, // awaiting verification
	"new":     bidWaiting,
	"techpay": bidWaiting, // the customer opened the payment

	"payed":     bidWorking, // says the customer
	"coldpay":   bidWorking, // awaiting the merchant's confirmation
	"realpay":   bidWorking, // the money was seen
	"amlwait":   bidWorking,
	"merchwait": bidWorking,

	"partpay":     bidMayStick,
	"verify":      bidMayStick,
	"coldsuccess": bidMayStick, // payout sent, awaiting confirmation
	"partpayout":  bidMayStick,

	"success": bidDone,

	"cancel": bidGone,
	"delete": bidGone,

	"error":       bidNeedsHelp,
	"mercherror":  bidNeedsHelp,
	"amlerror":    bidNeedsHelp,
	"payouterror": bidNeedsHelp,
	"scrpayerror": bidNeedsHelp,
}

// payable holds the statuses from which the script lets pay_bid act. A bid can be
// cancelled in all those in which it waits for the customer.
var payable = map[Text]bool{"new": true, "techpay": true}

func kindOf(status Text) bidKind { return bidKinds[status] }

// What is shown beside a status that only people can end, and beside one that
// they may have to.
const (
	operatorHint = "the exchanger's staff must act on this bid; it is neither failed nor refunded"
	stickingHint = "if this bid stays so, the exchanger's staff must act on it; it is neither failed nor refunded"
)
