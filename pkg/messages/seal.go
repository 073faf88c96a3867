package messages

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nkeys"
)

// Errors of [Unseal]; callers branch on them.
var (
	// ErrNotSealed is returned for a deliverable that anybody can read.
	ErrNotSealed = errors.New("the deliverable is not sealed")
	// ErrSealKey is returned for a seed that is not that of an xkey.
	ErrSealKey = errors.New("not the seed of an xkey: it must begin with SX")
	// ErrSealBroken is returned where the seed does not open the seal: it was
	// made for another key, or it was changed on its way.
	ErrSealBroken = errors.New("the key does not open it: it was sealed to another one, or was changed")
)

// sealed is a deliverable that only the owner of an order's seal_to can read:
// an xkey box of the deliverable's JSON, made with a key pair that is used once.
type sealed struct {
	Sealed string `json:"sealed"` // base64 of the box
	Sender string `json:"sender"` // public key of the pair that it was made with
}

// Seal closes a deliverable so that only the owner of the public xkey can read it.
func Seal(deliverable []byte, sealTo string) (json.RawMessage, error) {
	if !validXKey(sealTo) {
		return nil, errors.New("seal: not an xkey public key")
	}
	pair, err := nkeys.CreateCurveKeys()
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	defer pair.Wipe()
	sender, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	box, err := pair.Seal(deliverable, sealTo)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return json.Marshal(sealed{Sealed: base64.StdEncoding.EncodeToString(box), Sender: sender})
}

// IsSealed reports whether a deliverable is sealed.
func IsSealed(deliverable json.RawMessage) bool {
	_, ok := readSeal(deliverable)
	return ok
}

func readSeal(deliverable json.RawMessage) (s sealed, ok bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(deliverable, &members) != nil || len(members) != 2 {
		return s, false
	}
	ok = json.Unmarshal(members["sealed"], &s.Sealed) == nil && json.Unmarshal(members["sender"], &s.Sender) == nil
	return s, ok && s.Sealed != "" && s.Sender != ""
}

// Unseal opens a sealed deliverable with the seed of the xkey whose public half
// the order had in seal_to. What it returns is the deliverable to the letter, as
// an order without seal_to would have had it.
func Unseal(deliverable json.RawMessage, seed []byte) (json.RawMessage, error) {
	pair, err := nkeys.FromCurveSeed(seed)
	if err != nil {
		return nil, ErrSealKey // the cause may quote the seed
	}
	defer pair.Wipe()
	s, ok := readSeal(deliverable)
	if !ok {
		return nil, ErrNotSealed
	}
	box, err := base64.StdEncoding.DecodeString(s.Sealed)
	// nkeys writes past its buffer for a public key that is too long.
	if err != nil || !validXKey(s.Sender) {
		return nil, ErrSealBroken
	}
	opened, err := pair.Open(box, s.Sender)
	if err != nil {
		return nil, ErrSealBroken
	}
	return opened, nil
}

// NewSealKey makes an xkey: the seed, which opens what is sealed and must be
// kept secret, and its public half for the orders' seal_to.
func NewSealKey() (seed []byte, sealTo string, err error) {
	pair, err := nkeys.CreateCurveKeys()
	if err != nil {
		return nil, "", err
	}
	defer pair.Wipe()
	if seed, err = pair.Seed(); err != nil {
		return nil, "", err
	}
	sealTo, err = pair.PublicKey()
	return seed, sealTo, err
}

// SealToOf returns the public half of a seed: what orders have in seal_to.
func SealToOf(seed []byte) (string, error) {
	pair, err := nkeys.FromCurveSeed(seed)
	if err != nil {
		return "", ErrSealKey
	}
	defer pair.Wipe()
	return pair.PublicKey()
}
