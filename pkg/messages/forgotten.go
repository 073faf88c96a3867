package messages

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
)

// ForgottenKey is where the evidence of a [Forgotten] event says who has erased
// the order, and what is kept of its content: see [ContentDigest].
const ForgottenKey = "forgotten"

// Names inside ForgottenKey.
const (
	// ForgottenBy is who has erased it.
	ForgottenBy = "by"
	// ForgottenContent is the digest of the order as it was submitted.
	ForgottenContent = "content"
)

// Of a digest: its name, and how often it is made. Each order has a salt of its
// own and a digest takes milliseconds, so that whoever reads the ledger cannot
// look up in a table whose address an order had.
const (
	digestName   = "pbkdf2-sha256"
	digestRounds = 20_000
	digestBytes  = 32
	saltBytes    = 16
	// mostRounds bounds what a digest may cost whoever compares with it.
	mostRounds = 10 * digestRounds
)

// Forgotten reports whether the order was erased: this event is all there is.
func (e *Event) Forgotten() bool { return e.Type == Forgotten }

// SameOrder reports whether body is the order that the event is about, as
// [SameContent] has it, also where the order was erased.
func (e *Event) SameOrder(body []byte) bool {
	if !e.Forgotten() {
		return SameContent(e.Order, body)
	}
	about, _ := e.Evidence[ForgottenKey].(map[string]any)
	digest, _ := about[ForgottenContent].(string)
	return sameDigest(digest, body)
}

// ContentDigest is what is kept of an order that is erased. Equal contents are
// recognised by it, and nothing can be read out of it.
func ContentDigest(order []byte) string {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // it never fails
	return digest(order, salt, digestRounds)
}

func digest(order, salt []byte, rounds int) string {
	key, err := pbkdf2.Key(sha256.New, string(canonical(order)), salt, rounds, digestBytes)
	if err != nil {
		panic("messages: digest of an order: " + err.Error()) // only lengths that FIPS forbids
	}
	b64 := base64.RawURLEncoding
	return strings.Join([]string{digestName, strconv.Itoa(rounds), b64.EncodeToString(salt), b64.EncodeToString(key)}, "$")
}

func sameDigest(kept string, order []byte) bool {
	parts := strings.Split(kept, "$")
	if len(parts) != 4 || parts[0] != digestName {
		return false
	}
	rounds, err := strconv.Atoi(parts[1])
	salt, errSalt := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || errSalt != nil || rounds < 1 || rounds > mostRounds || len(salt) < saltBytes {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(digest(order, salt, rounds)), []byte(kept)) == 1
}

// canonical writes contents that [SameContent] calls equal equally, and no
// others. What is not JSON stands for itself.
func canonical(order []byte) []byte {
	n, err := parseTree(order)
	if err != nil {
		return append([]byte("raw"), order...)
	}
	return appendNode([]byte("json"), n)
}

// appendNode writes the kind, and the length before everything that has one, so
// that no two trees run into the same bytes.
func appendNode(b []byte, n node) []byte {
	b = binary.AppendUvarint(b, uint64(n.kind))
	switch n.kind {
	case objectNode:
		return appendMembers(b, n.members)
	case arrayNode:
		b = binary.AppendUvarint(b, uint64(len(n.items)))
		for _, item := range n.items {
			b = appendNode(b, item)
		}
		return b
	case numberNode:
		return appendText(b, canonicalNumber(n.text))
	case nullNode, boolNode, stringNode:
		fallthrough
	default:
		return appendText(b, n.text)
	}
}

// appendMembers sorts the members, but where a name stands twice: then their
// order is part of the content.
func appendMembers(b []byte, members []member) []byte {
	b = binary.AppendUvarint(b, uint64(len(members)))
	if twice := hasDuplicate(members); twice {
		b = append(b, 'd')
	} else {
		members = slices.SortedFunc(slices.Values(members), func(x, y member) int { return strings.Compare(x.name, y.name) })
	}
	for _, m := range members {
		b = appendNode(appendText(b, m.name), m.value)
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}
