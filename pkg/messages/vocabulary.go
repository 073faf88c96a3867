package messages

import "slices"

// Version is the version of every body that this package reads and writes.
const Version = 1

// Limits of bodies, in bytes.
const (
	MaxOrderBytes    = 32 << 10
	MaxEventBytes    = 128 << 10
	MaxMetadataBytes = 4 << 10
)

// Provider is the token of a provider in subjects and bodies.
type Provider string

// The providers of version 1. NoProvider stands in the subject of a rejected
// event whose provider is unknown, and nowhere else.
const (
	BalanceSteam Provider = "balancesteam"
	SkinsBack    Provider = "skinsback"
	GamesDrop    Provider = "gamesdrop"
	Exchanger    Provider = "exchanger"
	NoProvider   Provider = "none"
)

// Providers lists the providers of version 1.
func Providers() []Provider { return []Provider{BalanceSteam, SkinsBack, GamesDrop, Exchanger} }

// Known reports whether p is a provider of version 1.
func (p Provider) Known() bool { return slices.Contains(Providers(), p) }

// Kind is what an order buys at its provider.
type Kind string

// The kinds of version 1.
const (
	Topup         Kind = "topup"
	GiftCard      Kind = "gift_card"
	Deposit       Kind = "deposit"
	Offer         Kind = "offer"
	TelegramStars Kind = "telegram_stars"
	Exchange      Kind = "exchange"
	PartnerPayout Kind = "partner_payout"
)

// Verb is the hint that a command carries in its subject.
type Verb string

// The verbs of commands. The worker does what the order's state needs,
// whatever the verb says.
const (
	Place   Verb = "place"
	Check   Verb = "check"
	Cancel  Verb = "cancel"
	Confirm Verb = "confirm"
)

// Request is the last token of a subject that upstream publishes to.
type Request string

// The requests of upstream.
const (
	SubmitRequest  Request = "submit"
	CancelRequest  Request = "cancel"
	ConfirmRequest Request = "confirm"
)

// Type is the type of an event. The types that change the state are at the
// same time the names of the states.
type Type string

// The event types of version 1.
const (
	Accepted       Type = "accepted"
	Rejected       Type = "rejected"
	Placing        Type = "placing"
	Retrying       Type = "retrying"
	ActionRequired Type = "action_required"
	Processing     Type = "processing"
	OnHold         Type = "on_hold"
	Unresolved     Type = "unresolved"
	Succeeded      Type = "succeeded"
	Failed         Type = "failed"
	Canceled       Type = "canceled"
	Expired        Type = "expired"
	Reversed       Type = "reversed"
	CancelRefused  Type = "cancel_refused"
	ConfirmRefused Type = "confirm_refused"
	LateEvidence   Type = "late_evidence"
	// Forgotten is the last event of an order whose others were erased.
	Forgotten Type = "forgotten"
)

// States lists the types that change the state, in the order of an order's life.
func States() []Type {
	return []Type{
		Accepted, Rejected, Placing, Retrying, ActionRequired, Processing, OnHold, Unresolved,
		Succeeded, Failed, Canceled, Expired, Reversed,
	}
}

// Types lists all event types.
func Types() []Type { return append(States(), CancelRefused, ConfirmRefused, LateEvidence, Forgotten) }

// ChangesState reports whether an event of this type changes the order's state.
func (t Type) ChangesState() bool {
	switch t {
	case CancelRefused, ConfirmRefused, LateEvidence, Forgotten:
		return false
	default:
		return true
	}
}

// Terminal reports whether the state ends the order. Only [Reversed] may
// follow a terminal state, and only after [Succeeded].
func (t Type) Terminal() bool {
	switch t {
	case Rejected, Succeeded, Failed, Canceled, Expired, Reversed:
		return true
	default:
		return false
	}
}

// Finality says what a success rests on.
type Finality string

// The finalities of a success.
const (
	// Final: the provider has a status method and it said done.
	Final Finality = "final"
	// ProviderAccepted: the provider took the order and has no status method.
	ProviderAccepted Finality = "provider_accepted"
)

// CostSource says where the cost of an event comes from.
type CostSource string

// The sources of a cost.
const (
	FromResponse CostSource = "response"
	FromQuote    CostSource = "quote"
)

// ReferenceField is the key of provider_ref that holds our reference at the
// provider, or empty for kinds whose provider takes no key of ours.
func (k Kind) ReferenceField() string {
	switch k {
	case Offer, TelegramStars, Deposit:
		return "reference"
	case Exchange:
		return "api_id"
	case Topup, GiftCard, PartnerPayout:
		return ""
	default:
		return ""
	}
}
