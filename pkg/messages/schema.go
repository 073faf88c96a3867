package messages

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

//go:generate go run ./internal/schemagen ../../docs/schemas

const draft = "https://json-schema.org/draft/2020-12/schema"

// Schemas returns the JSON Schemas (2020-12) of all bodies of version 1, by
// file name. They refer to each other by these names.
//
// Those of orders, cancels and confirms are made from the tables that the
// decoder uses. The decoder is never laxer than its schema; it is stricter
// where a schema cannot say a thing: duplicate keys, the size of a whole
// object, one amount against another, the checksum of a key.
func Schemas() map[string][]byte {
	all := map[string]schema{
		"order.json":   orderSchema(),
		"cancel.json":  titled("Cancel", "Asks to cancel an order: orders.<tenant>.cancel.", objectSchema(cancelTable)),
		"confirm.json": titled("Confirm", "The customer says they have paid: orders.<tenant>.confirm.", objectSchema(confirmTable)),
		"command.json": titled("Command", "Points a worker at an event of the ledger.", commandSchema()),
		"event.json":   titled("Event", "One change of an order, with all that is known so far. Ignore fields and types you do not know.", eventSchema()),
	}
	for _, spec := range kindSpecs {
		all[spec.file()] = titled("Order "+string(spec.kind), spec.about, spec.schema())
	}
	maps.Copy(all, serviceSchemas())
	out := make(map[string][]byte, len(all))
	for name, s := range all {
		b, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			panic(fmt.Sprintf("messages: schema %s cannot be written: %v", name, err)) // only a mistake in a table
		}
		out[name] = append(b, '\n')
	}
	return out
}

func titled(title, about string, s schema) schema {
	s["$schema"], s["title"], s["description"] = draft, title, about
	return s
}

func (s kindSpec) file() string { return fmt.Sprintf("order.%s.%s.json", s.provider, s.kind) }

// schema is the order's table, narrowed to one kind.
func (s kindSpec) schema() schema {
	order := objectSchema(orderTable)
	params := objectSchema(s.params)
	if len(s.needs) > 0 {
		needs := schema{}
		for name, other := range s.needs {
			needs[name] = []string{other}
		}
		params["dependentRequired"] = needs
	}
	properties := order["properties"].(schema) //nolint:forcetypeassert // made so by objectSchema
	properties["provider"] = schema{"const": s.provider}
	properties["kind"] = schema{"const": s.kind}
	properties["params"] = params
	if s.limited {
		order["required"] = append(order["required"].([]string), "max_cost") //nolint:forcetypeassert // made so by objectSchema
	}
	return order
}

func orderSchema() schema {
	refs := make([]schema, len(kindSpecs))
	for i, s := range kindSpecs {
		refs[i] = schema{"$ref": s.file()}
	}
	return titled("Order", "Buys one thing at one provider: orders.<tenant>.submit.", schema{"oneOf": refs})
}

func orNullSchema(s schema) schema { return schema{"anyOf": []schema{s, {"type": "null"}}} }

func textSchema(about string) schema { return schema{"type": "string", "description": about} }

func nullableText(about string) schema {
	return schema{"type": []string{"string", "null"}, "description": about}
}

func nullableTime(about string) schema {
	return schema{"type": []string{"string", "null"}, "format": "date-time", "description": about}
}

// known is an open enumeration: today's values, and any other of the same form
// for tomorrow's.
func known[T ~string](values []T) schema {
	return schema{"anyOf": []schema{{"enum": values}, {"type": "string", "pattern": "^[a-z_]{1,40}$"}}}
}

// open is an object to which later versions may add keys; all of today's are required.
func open(properties schema) schema {
	return schema{"type": "object", "properties": properties, "required": slices.Sorted(maps.Keys(properties))}
}

func tokenSchema() schema { return schema{"type": "string", "pattern": tokenPattern} }

func commandSchema() schema {
	s := open(schema{
		"v": schema{"const": Version}, "tenant": tokenSchema(), "order_id": tokenSchema(),
		"seq": schema{"type": "integer", "minimum": 1, "description": "Sequence of the event in EVENTS."},
		"n":   schema{"type": "integer", "minimum": 0, "description": "The event's n."},
	})
	s["properties"].(schema)["hint"] = schema{"description": "The redacted body of the webhook that caused a check; of a cancel, the cancel_reason that upstream gave."} //nolint:forcetypeassert // made so by open
	return s
}

func eventSchema() schema {
	texts := schema{"type": "object", "additionalProperties": schema{"type": "string"}}
	money := schema{"$ref": "#/$defs/money"}
	s := open(schema{
		"v":    schema{"const": Version},
		"n":    schema{"type": "integer", "minimum": 1, "description": "Counts an order's events from 1; with tenant and order_id the event's identity."},
		"type": known(Types()), "state": orNullSchema(known(States())),
		"terminal": schema{"type": "boolean", "description": "Whether state ends the order."},
		"time":     schema{"type": "string", "format": "date-time"},
		"tenant":   tokenSchema(), "order_id": tokenSchema(),
		"provider": orNullSchema(known(Providers())), "kind": orNullSchema(known(Kinds())),
		"attempt":      schema{"type": "integer", "minimum": 0, "description": "How often placing has begun."},
		"provider_ref": orNullSchema(texts), "cost": orNullSchema(money),
		"cost_source": orNullSchema(known([]CostSource{FromResponse, FromQuote})),
		"deliverable": schema{"type": []string{"object", "null"}, "description": "What was bought; sealed where seal_to was given."},
		"finality":    orNullSchema(known([]Finality{Final, ProviderAccepted})),
		"action":      orNullSchema(schema{"$ref": "#/$defs/action"}), "error": orNullSchema(schema{"$ref": "#/$defs/error"}),
		"evidence":       evidenceSchema(),
		"needs_operator": schema{"type": "boolean"},
		"lease_until":    nullableTime("Until then only the owner of placing may act."),
		"retry_at":       nullableTime("When it will be placed again."),
		"hold_until":     nullableTime("Until when the provider holds it."),
		"not_before":     nullableTime("Before it an operator may not decide to place again."),
		"watch_until":    nullableTime("Until when a success may still be reversed, or a deposit that an ended order left behind may still be paid."),
		"metadata":       orNullSchema(texts),
		"order":          schema{"description": "The order as submitted."},
	})
	s["properties"].(schema)["work"] = schema{"type": "object", "description": "The pipeline's own; ignore it."} //nolint:forcetypeassert // made so by open
	s["$defs"] = schema{
		"money":  open(schema{"amount": schema{"type": "string", "pattern": `^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`}, "currency": schema{"type": "string", "pattern": capitalsOrNums}}),
		"action": actionSchema(money),
		"error": open(schema{
			"class":   known([]string{"ambiguous", "rejected", "retryable", "blocked", "invalid"}),
			"code":    textSchema("The provider's code, or one of ours."),
			"message": textSchema("For people."), "retryable": schema{"type": "boolean"},
			"faults": schema{"type": "array", "items": open(schema{
				"pointer": textSchema("JSON pointer into the order."), "message": textSchema("What is wrong there."),
			})},
		}),
	}
	return s
}

// actionSchema leaves all keys optional: a deposit has only its URL.
func actionSchema(money schema) schema {
	return schema{"type": "object", "properties": schema{
		"type": textSchema("The exchanger's type of payment."), "url": nullableText("Where the customer pays."),
		"instruction": nullableText("Plain text for the customer."), "pay_amount": orNullSchema(money),
		"address": nullableText("Where to pay to."), "dest_tag": nullableText("The tag or memo of the payment."),
		"confirm": schema{"type": "boolean", "description": "Whether a confirm may be published."},
		"cancel":  schema{"type": "boolean", "description": "Whether a cancel may be published."},
	}}
}
