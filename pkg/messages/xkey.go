package messages

import (
	"encoding/base32"
	"encoding/binary"
)

// Form of an xkey public key: one byte of prefix, 32 of key, two of checksum,
// in base32. The prefix makes every one begin with X.
const (
	xkeyPrefix = 23 << 3
	xkeyBytes  = 1 + 32 + 2
)

var upperBase32 = base32.StdEncoding.WithPadding(base32.NoPadding)

// validXKey reports whether s is the public half of an xkey. A mistyped key is
// found by its checksum here, before anything is bought that nobody could open.
func validXKey(s string) bool {
	raw, err := upperBase32.DecodeString(s)
	if err != nil || len(raw) != xkeyBytes || raw[0] != xkeyPrefix {
		return false
	}
	return crc16(raw[:xkeyBytes-2]) == binary.LittleEndian.Uint16(raw[xkeyBytes-2:])
}

// crc16 is CRC-16/XMODEM, the checksum of nkeys.
func crc16(data []byte) uint16 {
	var crc uint16
	for _, b := range data {
		crc ^= uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}
