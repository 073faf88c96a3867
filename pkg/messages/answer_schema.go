package messages

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/beltline-io/beltline/pkg/money"
)

// schemaOf makes the schema of a typed answer from its Go type, so that the two
// cannot disagree. Answers are open: later versions may add keys.
func schemaOf(t reflect.Type) schema {
	switch t {
	case reflect.TypeFor[money.Decimal]():
		return schema{"type": "string", "pattern": `^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`}
	case reflect.TypeFor[money.Money]():
		return open(schema{"amount": schemaOf(reflect.TypeFor[money.Decimal]()), "currency": schema{"type": "string", "pattern": capitalsOrNums}})
	case reflect.TypeFor[time.Time]():
		return schema{"type": "string", "format": "date-time"}
	case reflect.TypeFor[Event](), reflect.TypeFor[json.RawMessage]():
		return schema{"$ref": "event.json"}
	case reflect.TypeFor[Fault]():
		return open(schema{"pointer": textSchema("JSON pointer into the request."), "message": textSchema("What is wrong there.")})
	}
	switch t.Kind() {
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return schema{"type": "integer"}
	case reflect.Slice:
		return schema{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Pointer:
		s := schemaOf(t.Elem())
		if one, ok := s["type"].(string); ok {
			s["type"] = []string{one, "null"}
			return s
		}
		return orNullSchema(s)
	case reflect.Struct:
		return structSchema(t)
	default:
		panic(fmt.Sprintf("messages: an answer cannot hold a %s", t)) // only a mistake in a type
	}
}

func structSchema(t reflect.Type) schema {
	properties, required := schema{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		optional := strings.Contains(options, "omit")
		s := schemaOf(f.Type)
		if optional && f.Type.Kind() == reflect.Pointer {
			s = schemaOf(f.Type.Elem()) // missing rather than null
		}
		if about := f.Tag.Get("about"); about != "" {
			s["description"] = about
		}
		properties[name] = s
		if !optional {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	return schema{"type": "object", "properties": properties, "required": required}
}

// requestSchema is the closed schema of a request.
func (m method) requestSchema() schema {
	s := objectSchema(m.fields)
	if len(m.either) > 0 {
		var each []schema
		for _, name := range m.either {
			each = append(each, schema{"required": []string{name}})
		}
		s["oneOf"] = each
	}
	return s
}

// answerSchema is the open schema of an answer.
func (m method) answerSchema() schema {
	if s, ok := m.answer.(schema); ok {
		return maps.Clone(s) // the caller adds a title
	}
	return schemaOf(reflect.TypeOf(m.answer))
}

// serviceSchemas are the schemas of all requests and answers of services, by
// file name.
func serviceSchemas() map[string]schema {
	all := map[string]schema{
		"svc.error.json": titled("Error", "The body of an answer that is an error; the number is in the header Nats-Service-Error-Code.", schemaOf(reflect.TypeFor[ProblemBody]())),
	}
	for service, methods := range serviceMethods() {
		for _, m := range methods {
			title := "svc." + service + "." + m.name
			all[title+".request.json"] = titled(title+", request", m.about, m.requestSchema())
			all[title+".answer.json"] = titled(title+", answer", m.about, m.answerSchema())
		}
	}
	for part, about := range map[string]string{
		"request": "What may be asked of a provider: svc.providers.<provider>.<method>.", "answer": "What is answered.",
	} {
		var refs []schema
		for _, p := range Providers() {
			for _, m := range queryMethods[p] {
				refs = append(refs, schema{"$ref": "svc." + string(p) + "." + m.name + "." + part + ".json"})
			}
		}
		all["svc.providers."+part+".json"] = titled("svc.providers, "+part, about, schema{"anyOf": refs})
	}
	return all
}

// serviceMethods lists all methods by the name of their service in file names.
func serviceMethods() map[string][]method {
	all := map[string][]method{ServiceOrders: ordersMethods, ServiceOperator: operatorMethods}
	for p, methods := range queryMethods {
		all[string(p)] = methods
	}
	return all
}

// Interface is what a service says of one of its methods where it is
// discovered: what it is for, and the JSON Schemas of request and answer, each
// complete in itself.
type Interface struct {
	About           string
	Request, Answer []byte
}

// OrdersInterface describes a method of the service orders.
func OrdersInterface(name string) Interface { return described(ordersMethods, name) }

// OperatorInterface describes a method of the service operator.
func OperatorInterface(name string) Interface { return described(operatorMethods, name) }

// QueryInterface describes a method of the provider's service.
func QueryInterface(p Provider, name string) Interface { return described(queryMethods[p], name) }

func described(all []method, name string) Interface {
	m, ok := find(all, name)
	if !ok {
		panic("messages: no method " + name)
	}
	return Interface{About: m.about, Request: compact(m.requestSchema()), Answer: compact(m.answerSchema())}
}

// compact writes a schema in which nothing refers to another file.
func compact(s schema) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic("messages: schema cannot be written: " + err.Error()) // only a mistake in a table
	}
	const elsewhere, here = `"$ref":"event.json"`, `"$ref":"#/$defs/event"`
	text := string(b)
	if !strings.Contains(text, elsewhere) {
		return b
	}
	event := eventSchema()
	defs := event["$defs"].(schema) //nolint:forcetypeassert // made so by eventSchema
	delete(event, "$defs")
	defs["event"] = event
	var whole schema
	if err := json.Unmarshal([]byte(strings.ReplaceAll(text, elsewhere, here)), &whole); err != nil {
		panic("messages: schema cannot be read again: " + err.Error())
	}
	whole["$defs"] = defs
	return compact(whole)
}
