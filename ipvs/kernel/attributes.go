package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// attributes walks through the attributes of a message. It does what netlink.AttributeDecoder does, and copies nothing:
// a listing of a large table has a million of them.
type attributes struct {
	rest []byte
	typ  uint16
	data []byte // of the attribute at hand
	err  error  // the first
}

const (
	attributeHeader = 4
	attributeFlags  = 0xc000 // nested, and network byte order
)

var errAttribute = errors.New("an attribute that is longer than its message")

// Next goes to the next attribute. It reports false at the end, and after an error.
func (a *attributes) Next() bool {
	if a.err != nil || len(a.rest) == 0 {
		return false
	}
	if len(a.rest) < attributeHeader {
		a.err = errAttribute
		return false
	}
	n := int(binary.NativeEndian.Uint16(a.rest))
	if n < attributeHeader || n > len(a.rest) {
		a.err = errAttribute
		return false
	}
	a.typ = binary.NativeEndian.Uint16(a.rest[2:]) &^ attributeFlags
	a.data = a.rest[attributeHeader:n]
	a.rest = a.rest[min((n+3)&^3, len(a.rest)):]
	return true
}

// Type is that of the attribute at hand.
func (a *attributes) Type() uint16 { return a.typ }

// Bytes are its data. They are part of the message.
func (a *attributes) Bytes() []byte { return a.data }

// String is its data as a string that ends with a zero.
func (a *attributes) String() string {
	text, _, _ := bytes.Cut(a.data, []byte{0})
	return string(text)
}

// sized are its data, which are so many bytes; else it is an error and they are zeros.
func (a *attributes) sized(n int) []byte {
	if len(a.data) != n {
		if a.err == nil {
			a.err = fmt.Errorf("attribute %d has %d bytes, not %d", a.typ, len(a.data), n)
		}
		return make([]byte, n)
	}
	return a.data
}

func (a *attributes) Uint8() uint8   { return a.sized(1)[0] }
func (a *attributes) Uint16() uint16 { return binary.NativeEndian.Uint16(a.sized(2)) }
func (a *attributes) Uint32() uint32 { return binary.NativeEndian.Uint32(a.sized(4)) }
func (a *attributes) Uint64() uint64 { return binary.NativeEndian.Uint64(a.sized(8)) }

// Nested calls f for each attribute inside the one at hand.
func (a *attributes) Nested(f func(*attributes)) {
	in := attributes{rest: a.data}
	for in.Next() {
		f(&in)
	}
	if a.err == nil {
		a.err = in.err
	}
}
