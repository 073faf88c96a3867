package messages

import (
	"fmt"
	"strings"
)

// Names of the streams and of the KV bucket.
const (
	StreamOrders   = "ORDERS"
	StreamCommands = "COMMANDS"
	StreamEvents   = "EVENTS"
	StreamDLQ      = "DLQ"
	Bucket         = "beltline"
)

// UnknownTenant stands in the subject of a dead letter whose tenant is
// unusable; no upstream may have it.
const UnknownTenant = "unknown"

// ValidToken reports whether s may stand in a subject, a URL or a file name:
// whether it matches [tokenPattern]. It is asked several times for each event,
// and an expression would be most of what that costs.
func ValidToken(s string) bool {
	if s == "" || len(s) > maxToken {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

const maxToken = 64

// ValidTenant reports whether s is a token and not a reserved tenant.
func ValidTenant(s string) bool {
	return ValidToken(s) && s != UnknownTenant && !strings.HasPrefix(s, "_")
}

// PermitStream is the name of the provider's permit stream.
func (p Provider) PermitStream() string { return "PERMITS_" + strings.ToUpper(string(p)) }

// PermitSubject is the subject of the provider's permits.
func (p Provider) PermitSubject() string { return "permits." + string(p) }

// TurnSubject is where the server repeats the permits that it stored, and where
// workers that wait for permits tell each other so.
func (p Provider) TurnSubject() string { return "turns." + string(p) }

// LaneKey is the key of the provider's lane in the KV bucket.
func (p Provider) LaneKey() string { return "lane." + string(p) }

// PlaceConsumer is the durable consumer of the provider's place commands.
func (p Provider) PlaceConsumer() string { return "worker-" + string(p) + "-place" }

// FollowConsumer is the durable consumer of all its other commands.
func (p Provider) FollowConsumer() string { return "worker-" + string(p) + "-follow" }

// OrderSubject is where upstream publishes a request.
func OrderSubject(tenant string, r Request) string { return "orders." + tenant + "." + string(r) }

// EventSubject is where an event is stored. An unknown provider is written "none".
func EventSubject(p Provider, tenant, orderID string, t Type) string {
	if !p.Known() {
		p = NoProvider
	}
	return "events." + string(p) + "." + tenant + "." + orderID + "." + string(t)
}

// OrderEvents is the filter of all events of an order. Every compare-and-set
// uses exactly this string: with another one, two writers could both win.
func OrderEvents(tenant, orderID string) string { return "events.*." + tenant + "." + orderID + ".>" }

// CommandSubject is where a command is published.
func CommandSubject(p Provider, v Verb, tenant, orderID string) string {
	return "commands." + string(p) + "." + string(v) + "." + tenant + "." + orderID
}

// ScheduleSubject is where an order's timer is kept: one for each order, a
// newer one replaces it.
func ScheduleSubject(p Provider, tenant, orderID string) string {
	return "schedules." + string(p) + "." + tenant + "." + orderID
}

// ExpireSubject is where the timer of an order's expires_at is kept.
func ExpireSubject(p Provider, tenant, orderID string) string {
	return ScheduleSubject(p, tenant, orderID) + ".expire"
}

// DeadOrders is where refused messages of a tenant go.
func DeadOrders(tenant string) string {
	if !ValidTenant(tenant) {
		tenant = UnknownTenant
	}
	return "dlq.orders." + tenant
}

// DeadCommands is where unprocessable commands of a provider go.
func DeadCommands(p Provider) string { return "dlq.commands." + string(p) }

// DeadHooks is where callbacks of a provider go that fit no order.
func DeadHooks(p Provider) string { return "dlq.hooks." + string(p) }

// ParseOrderSubject takes apart orders.<tenant>.<request>. The tenant is
// returned even when it is not valid, for the log.
func ParseOrderSubject(subject string) (tenant string, r Request, err error) {
	parts := strings.Split(subject, ".")
	if len(parts) != 3 || parts[0] != "orders" {
		return "", "", fmt.Errorf("%w: subject %q", ErrMalformed, subject)
	}
	return parts[1], Request(parts[2]), nil
}

// CommandAddress is a command's subject taken apart.
type CommandAddress struct {
	Provider        Provider
	Verb            Verb
	Tenant, OrderID string
}

// ParseCommandSubject takes apart commands.<provider>.<verb>.<tenant>.<order_id>.
func ParseCommandSubject(subject string) (CommandAddress, error) {
	parts := strings.Split(subject, ".")
	if len(parts) != 5 || parts[0] != "commands" || !Provider(parts[1]).Known() ||
		!ValidTenant(parts[3]) || !ValidToken(parts[4]) {
		return CommandAddress{}, fmt.Errorf("%w: subject %q", ErrMalformed, subject)
	}
	return CommandAddress{Provider: Provider(parts[1]), Verb: Verb(parts[2]), Tenant: parts[3], OrderID: parts[4]}, nil
}

// EventAddress is an event's subject taken apart.
type EventAddress struct {
	Provider        Provider
	Tenant, OrderID string
	Type            Type
}

// ParseEventSubject takes apart events.<provider>.<tenant>.<order_id>.<type>.
func ParseEventSubject(subject string) (EventAddress, error) {
	parts := strings.Split(subject, ".")
	if len(parts) != 5 || parts[0] != "events" || !Provider(parts[1]).Known() && Provider(parts[1]) != NoProvider ||
		!ValidTenant(parts[2]) || !ValidToken(parts[3]) || !ValidToken(parts[4]) {
		return EventAddress{}, fmt.Errorf("%w: subject %q", ErrMalformed, subject)
	}
	return EventAddress{Provider: Provider(parts[1]), Tenant: parts[2], OrderID: parts[3], Type: Type(parts[4])}, nil
}
