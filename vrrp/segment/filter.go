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
	minLen3 = 8 + 4
	minLen2 = minLen3 + 8
)

// Verdicts of a program: how many bytes of the packet to keep.
const (
	keep = 0xffff
	toss = 0
)

// wanted is the program of the socket that Receive reads.
func (f *Filter) wanted() []bpf.Instruction { return f.program(keep, toss) }

// refused is the program of the socket that Audit reads: the same with the
// verdicts exchanged, so that every packet is in one of them.
func (f *Filter) refused() []bpf.Instruction { return f.program(toss, keep) }

// program tests an IPv4 packet from its header on and returns yes or no. Each
// test is followed by its own exit: the offsets of conditional jumps are bytes,
// too short to reach a common exit behind a long list of VRIDs.
//
// No load may reach beyond the packet: the kernel ends a program there with the
// verdict 0, which in the inverse would be lost packets. It has checked the IP
// header itself before any socket sees the packet; the message's length is
// tested before its bytes are.
func (f *Filter) program(yes, no uint32) []bpf.Instruction {
	require := func(cond bpf.JumpTest, val uint32) []bpf.Instruction {
		return []bpf.Instruction{bpf.JumpIf{Cond: cond, Val: val, SkipTrue: 1}, bpf.RetConstant{Val: no}}
	}
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
	p = slices.Concat(p,
		require(bpf.JumpEqual, binary.BigEndian.Uint32(group[:])),
		[]bpf.Instruction{bpf.LoadAbsolute{Off: 8, Size: 1}},
		require(bpf.JumpEqual, wire.TTL),

		[]bpf.Instruction{
			bpf.LoadMemShift{Off: 0}, // X = length of the IP header
			bpf.LoadExtension{Num: bpf.ExtLen},
			bpf.ALUOpX{Op: bpf.ALUOpSub},
		},
		require(bpf.JumpGreaterOrEqual, minLen3),
	)
	v3 := slices.Concat(
		require(bpf.JumpEqual, 0x31),
		among(f.V3, yes),
		[]bpf.Instruction{bpf.RetConstant{Val: no}},
	)
	v2 := slices.Concat(
		[]bpf.Instruction{
			bpf.LoadExtension{Num: bpf.ExtLen},
			bpf.ALUOpX{Op: bpf.ALUOpSub},
		},
		require(bpf.JumpGreaterOrEqual, minLen2),
		among(f.V2, yes),
		[]bpf.Instruction{bpf.RetConstant{Val: no}},
	)
	return slices.Concat(p,
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
	if p.Dst != wire.Group4() && (p.Dst.IsMulticast() || !f.Unicast) {
		return wire.DropCastMismatch
	}
	return wire.Accepted
}
