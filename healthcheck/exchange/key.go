package exchange

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
)

// A Key authenticates datagrams. It is not safe for concurrent use.
type Key struct {
	mac    hash.Hash
	digest hash.Hash
}

// NewKey derives a Key from what the directors share. It may be the key of something
// else, too: nothing that is made of it here is of use there.
func NewKey(shared []byte) *Key {
	derived := func(purpose string) hash.Hash {
		h := hmac.New(sha256.New, shared)
		h.Write([]byte(purpose))
		return hmac.New(sha256.New, h.Sum(nil))
	}
	return &Key{mac: derived("lbha exchange 1: datagram"), digest: derived("lbha exchange 1: question")}
}

// Digest stands for what the check with the ID asks: equal questions, equal digests.
func (k *Key) Digest(id, question string) (d Digest) {
	k.digest.Reset()
	k.digest.Write([]byte(id))
	k.digest.Write([]byte{0}) // in no ID
	k.digest.Write([]byte(question))
	copy(d[:], k.digest.Sum(nil))
	return d
}

// Seal makes a datagram of as many of the verdicts as it can carry, and returns the
// others. What cannot be told at all, an ID that is too long, is left out.
func (k *Key) Seal(h Header, verdicts []Verdict) (datagram []byte, rest []Verdict) {
	h.Name = cleanName(h.Name)
	b := appendHeader(make([]byte, 0, MaxDatagram), h, 0)
	n := 0
	for len(verdicts) > 0 {
		v := verdicts[0]
		if v.fits() {
			size := len(b)
			if b = appendVerdict(b, &v); len(b) > MaxDatagram-macSize {
				b = b[:size]
				break
			}
			n++
		}
		verdicts = verdicts[1:]
	}
	b[6], b[7] = byte(n>>8), byte(n)
	return append(b, k.sum(b)...), verdicts
}

// Open checks and reads a datagram. Nothing but its version is looked at before the key
// has proved who made it.
func (k *Key) Open(datagram []byte) (*Message, Drop) {
	switch {
	case len(datagram) < headerSize+macSize || len(datagram) > MaxDatagram || string(datagram[:4]) != magic:
		return nil, DropMalformed
	case datagram[4] != version:
		return nil, DropVersion
	}
	body := datagram[:len(datagram)-macSize]
	if !hmac.Equal(k.sum(body), datagram[len(body):]) {
		return nil, DropAuth
	}
	m, ok := parse(body)
	if !ok {
		return nil, DropMalformed
	}
	return m, ""
}

func (k *Key) sum(b []byte) []byte {
	k.mac.Reset()
	k.mac.Write(b)
	return k.mac.Sum(nil)
}
