package messages

// evidenceSchema is open: what stands there depends on the provider and on what
// happened. Only the records of requests have a form that is the same for all.
func evidenceSchema() schema {
	body := open(schema{
		"bytes":        schema{"type": "integer", "minimum": 0, "description": "Length of the whole body."},
		"sha256":       nullableText("Of the whole body, in hex; null for a sealed order's answer with something masked in it."),
		"content_type": textSchema("As sent."),
		"text":         textSchema("The body, with *** for every value that is not declared fit to be shown."),
		"cut":          schema{"type": "boolean", "description": "The text is not all of the body."},
	})
	record := open(schema{
		"op":          textSchema("Our name for the endpoint."),
		"purpose":     known([]string{PurposeCreate, PurposeRead}),
		"attempt":     schema{"type": "integer", "minimum": 0, "description": "The order's attempt in which it was made."},
		"method":      textSchema("Of HTTP."),
		"path":        textSchema("Without host and query."),
		"sent_at":     nullableTime("When the first byte was let go; null where none was."),
		"answered_at": nullableTime("When the whole answer had come; null where it never did."),
		"status":      schema{"type": []string{"integer", "null"}, "description": "Of HTTP."},
		"error":       nullableText("What became of a request without an answer, in words of our own."),
		"request":     body,
		"answer":      orNullSchema(body),
	})
	return schema{"type": []string{"object", "null"}, "properties": schema{
		EvidenceHTTP: schema{
			"type": "array", "items": record,
			"description": "The last requests to the provider that changed the order, oldest first, without secrets, goods codes and addresses to pay at.",
		},
	}}
}
