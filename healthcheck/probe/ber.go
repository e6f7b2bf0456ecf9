package probe

import (
	"encoding/binary"
	"errors"
)

// The encoding of LDAP: BER with definite lengths (RFC 4511, section 5.1). Of its tags
// LDAP needs none above 30, so one byte holds any.
const (
	berBoolean     = 0x01
	berInteger     = 0x02
	berOctetString = 0x04
	berEnumerated  = 0x0a
	berSequence    = 0x30
)

var errBER = errors.New("malformed BER")

// ber appends an element: its tag, the length of its content, and the content.
func ber(tag byte, content ...[]byte) []byte {
	n := 0
	for _, c := range content {
		n += len(c)
	}
	b := []byte{tag}
	switch {
	case n < 0x80:
		b = append(b, byte(n))
	case n <= 0xff:
		b = append(b, 0x81, byte(n))
	default: // what we say is short: see maxLDAP
		b = binary.BigEndian.AppendUint16(append(b, 0x82), uint16(n))
	}
	for _, c := range content {
		b = append(b, c...)
	}
	return b
}

// berNumber is the content of a small number that is not negative.
func berNumber(n byte) []byte { return []byte{n & 0x7f} }

// berLength reads a length whose first byte is given and whose others more returns. One
// that is indefinite, or of more than four bytes, is malformed here.
func berLength(first byte, more func(n int) ([]byte, error)) (uint32, error) {
	if first < 0x80 {
		return uint32(first), nil
	}
	n := int(first & 0x7f)
	if n == 0 || n > 4 {
		return 0, errBER
	}
	b, err := more(n)
	if err != nil {
		return 0, err
	}
	var length uint32
	for _, c := range b {
		length = length<<8 | uint32(c)
	}
	return length, nil
}

// berNext cuts the first element off b. Nothing is copied and nothing descended into:
// elements within elements cost nothing, however deep.
func berNext(b []byte) (tag byte, content, rest []byte, err error) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return 0, nil, nil, errBER
	}
	tag, first, b := b[0], b[1], b[2:]
	n, err := berLength(first, func(n int) (head []byte, err error) {
		if n > len(b) {
			return nil, errBER
		}
		head, b = b[:n], b[n:]
		return head, nil
	})
	if err != nil || uint64(n) > uint64(len(b)) {
		return 0, nil, nil, errBER
	}
	return tag, b[:n], b[n:], nil
}

// berExpect cuts the first element, which must have the tag, off b.
func berExpect(b []byte, tag byte) (content, rest []byte, err error) {
	got, content, rest, err := berNext(b)
	if err == nil && got != tag {
		err = errBER
	}
	return content, rest, err
}

// berInt reads the content of a number from 0 to 2³¹-1.
func berInt(content []byte) (int, error) {
	if len(content) == 0 || len(content) > 4 || content[0] >= 0x80 {
		return 0, errBER
	}
	n := 0
	for _, c := range content {
		n = n<<8 | int(c)
	}
	return n, nil
}
