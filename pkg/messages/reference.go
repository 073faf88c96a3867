package messages

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strconv"
	"strings"
)

var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func referenceSum(namespace, tenant, orderID string, n int) [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.Join([]string{namespace, tenant, orderID, strconv.Itoa(n)}, "\x00")))
}

// Reference is our key for an order at its provider: "b1" and 24 characters
// of lower-case base32 over the namespace, the tenant, the order and the
// number of the reference, separated by zero bytes so that no two orders can
// be written to the same text.
func Reference(namespace, tenant, orderID string, n int) string {
	sum := referenceSum(namespace, tenant, orderID, n)
	return "b1" + lowerBase32.EncodeToString(sum[:])[:24]
}

// APIID is the reference for the exchanger, which deduplicates only positive
// decimal integers: the first 62 bits of the same sum.
func APIID(namespace, tenant, orderID string, n int) string {
	sum := referenceSum(namespace, tenant, orderID, n)
	return strconv.FormatUint(max(binary.BigEndian.Uint64(sum[:8])>>2, 1), 10)
}
