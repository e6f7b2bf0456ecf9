//go:build linux

package segment

import (
	"encoding/binary"
	"slices"

	"golang.org/x/net/bpf"

	"github.com/lbha/lbha/vrrp/wire"
)

// Filter says which packets reach Receive. All others reach Audit.
type Filter struct {
	// V2 and V3 are the VRIDs wanted in that version. Both empty: nothing is.
	V2, V3 []uint8
	// Unicast lets through packets to the addresses of this host, whatever
	// their TTL. Otherwise only the group is heard.
	Unicast bool
}

// Lengths of the shortest messages: one address, and version 2's authentication
// data.
const (
	minLen3  = 8 + 4
	minLen2  = minLen3 + 8
	minLen36 = 8 + 16 // version 3 on IPv6
)

// Verdicts of a program: how many bytes of the packet to keep.
const (
	keep = 0xffff
	toss = 0
)

// assemble makes the programs of the two sockets of a family: wanted for the
// one that Receive reads; and for the one that Audit reads the same with the
// verdicts exchanged, so that every packet is in one of them.
func (f *Filter) assemble(six bool) (wanted, refused []bpf.RawInstruction, err error) {
	program := f.program4
	if six {
		program = f.program6
	}
	if wanted, err = bpf.Assemble(program(keep, toss)); err == nil {
		refused, err = bpf.Assemble(program(toss, keep))
	}
	return wanted, refused, err
}

// requirement returns a test that ends a program with no unless it holds. Each
// test has its own exit: the offsets of conditional jumps are bytes, too short
// to reach a common exit behind a long list of VRIDs.
func requirement(no uint32) func(cond bpf.JumpTest, val uint32) []bpf.Instruction {
	return func(cond bpf.JumpTest, val uint32) []bpf.Instruction {
		return []bpf.Instruction{bpf.JumpIf{Cond: cond, Val: val, SkipTrue: 1}, bpf.RetConstant{Val: no}}
	}
}

// program4 tests an IPv4 packet from its header on and returns yes or no.
//
// No load may reach beyond the packet: the kernel ends a program there with the
// verdict 0, which in the inverse would be lost packets. It has checked the IP
// header itself before any socket sees the packet; the message's length is
// tested before its bytes are.
func (f *Filter) program4(yes, no uint32) []bpf.Instruction {
	require := requirement(no)
	group := wire.Group4().As4()
	p := slices.Concat(
		[]bpf.Instruction{bpf.LoadAbsolute{Off: 9, Size: 1}},
		require(bpf.JumpEqual, wire.Protocol),
		[]bpf.Instruction{bpf.LoadAbsolute{Off: 6, Size: 2}},
		require(bpf.JumpBitsNotSet, fragmentBits),
		[]bpf.Instruction{bpf.LoadAbsolute{Off: 16, Size: 4}},
	)
	if f.Unicast {
		p = append(p,
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 0xe0000000, SkipTrue: 5}, // below 224.0.0.0: on to the message
		)
	}
	return slices.Concat(p,
		require(bpf.JumpEqual, binary.BigEndian.Uint32(group[:])),
		[]bpf.Instruction{bpf.LoadAbsolute{Off: 8, Size: 1}},
		require(bpf.JumpEqual, wire.TTL),
		[]bpf.Instruction{bpf.LoadMemShift{Off: 0}}, // X = length of the IP header
		f.message(yes, no, minLen3),
	)
}

// netHeader is SKF_NET_OFF of linux/filter.h: where a program finds the IP
// header of a packet that it is given without.
const netHeader = 0xfff00000

// program6 tests an IPv6 packet, of which it is given what is behind the
// headers, and returns yes or no. Nothing in it can be a fragment: the kernel
// has put it together.
func (f *Filter) program6(yes, no uint32) []bpf.Instruction {
	require := requirement(no)
	var group []bpf.Instruction
	words := wire.Group6().As16()
	for off := 0; off < 16; off += 4 {
		group = slices.Concat(group,
			[]bpf.Instruction{bpf.LoadAbsolute{Off: netHeader + 24 + uint32(off), Size: 4}},
			require(bpf.JumpEqual, binary.BigEndian.Uint32(words[off:])),
		)
	}
	group = slices.Concat(group,
		[]bpf.Instruction{bpf.LoadAbsolute{Off: netHeader + 7, Size: 1}},
		require(bpf.JumpEqual, wire.TTL),
	)
	if f.Unicast {
		group = slices.Concat([]bpf.Instruction{
			bpf.LoadAbsolute{Off: netHeader + 24, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0xff, SkipFalse: uint8(len(group))}, // no multicast: on to the message
		}, group)
	}
	return slices.Concat(group,
		[]bpf.Instruction{bpf.LoadConstant{Dst: bpf.RegX, Val: 0}},
		f.message(yes, no, minLen36),
	)
}

// message tests the message, of at least minLen bytes, that begins at X.
func (f *Filter) message(yes, no, minLen uint32) []bpf.Instruction {
	require := requirement(no)
	length := []bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtLen}, bpf.ALUOpX{Op: bpf.ALUOpSub}}
	v3 := slices.Concat(
		require(bpf.JumpEqual, 0x31),
		among(f.V3, yes),
		[]bpf.Instruction{bpf.RetConstant{Val: no}},
	)
	v2 := slices.Concat(
		length,
		require(bpf.JumpGreaterOrEqual, minLen2),
		among(f.V2, yes),
		[]bpf.Instruction{bpf.RetConstant{Val: no}},
	)
	return slices.Concat(
		length,
		require(bpf.JumpGreaterOrEqual, minLen),
		[]bpf.Instruction{
			bpf.LoadIndirect{Off: 0, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x21, SkipFalse: 1},
			bpf.Jump{Skip: uint32(len(v3))},
		},
		v3, v2,
	)
}

// fragmentBits are the flag "more fragments" and the fragment offset.
const fragmentBits = 0x3fff

// among returns yes if the message's VRID is one of vrids.
func among(vrids []uint8, yes uint32) []bpf.Instruction {
	p := []bpf.Instruction{bpf.LoadIndirect{Off: 1, Size: 1}}
	for _, vrid := range vrids {
		p = append(p, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(vrid), SkipFalse: 1}, bpf.RetConstant{Val: yes})
	}
	return p
}

// reason says why the filter refused an IP packet, or Accepted if it would not:
// it was queued under an earlier filter.
func (f *Filter) reason(a *wire.Advert, p *Packet, fragment bool) wire.Drop {
	if fragment {
		return wire.DropFragment
	}
	if _, drop := wire.Decode(a, p.Payload, p.Meta()); drop != wire.Accepted {
		return drop
	}
	want, other := f.V3, f.V2
	if a.Version == 2 {
		want, other = other, want
	}
	switch {
	case slices.Contains(want, a.VRID):
	case slices.Contains(other, a.VRID):
		return wire.DropVersionMismatch
	default:
		return wire.DropForeignVRID
	}
	if p.Dst != wire.Group4() && p.Dst != wire.Group6() && (p.Dst.IsMulticast() || !f.Unicast) {
		return wire.DropCastMismatch
	}
	return wire.Accepted
}
