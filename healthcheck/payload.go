package healthcheck

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// Payload is what a probe sends, or looks for in an answer, byte for byte. Its
// text is the bytes themselves, or "hex:" and hexadecimal digits in pairs, with
// spaces between them where they help to read.
type Payload string

const hexPrefix = "hex:"

// maxPayload bounds a payload, in bytes: it fits into one packet.
const maxPayload = 1024

// UnmarshalText parses the text form.
func (p *Payload) UnmarshalText(text []byte) error {
	raw := string(text)
	if digits, isHex := strings.CutPrefix(raw, hexPrefix); isHex {
		b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			return fmt.Errorf("%.40q: want pairs of hexadecimal digits after %s", text, hexPrefix)
		}
		raw = string(b)
	}
	if len(raw) > maxPayload {
		return fmt.Errorf("%.40q: has %d bytes, at most %d", text, len(raw), maxPayload)
	}
	*p = Payload(raw)
	return nil
}

// MarshalText returns the text form: hexadecimal if the bytes are not printable
// or would read as such.
func (p Payload) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// String returns the text form.
func (p Payload) String() string {
	if strings.HasPrefix(string(p), hexPrefix) || strings.IndexFunc(string(p), unprintable) >= 0 {
		return hexPrefix + hex.EncodeToString([]byte(p))
	}
	return string(p)
}
