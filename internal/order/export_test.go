package order

import "github.com/beltline-io/beltline/pkg/messages"

// Words of the document, for the test that none is missing.
func StateText(s messages.Type) string { return stateTexts[s] }
func InputText(in Input) string        { return inputTexts[in] }
