package observe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/vishvananda/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Write is one command that somebody sent to the kernel's IPVS, whether it changed anything or not.
type Write struct {
	At      mono.Time `json:"at"`
	Host    string    `json:"host"`
	Command string    `json:"command"`
	Server  string    `json:"server,omitempty"` // the address of the real server that it is about, if it is IPv4
}

// writeNames are the generic netlink commands of IPVS that change something (include/uapi/linux/ip_vs.h).
var writeNames = map[byte]string{
	1: "new-service", 2: "set-service", 3: "del-service",
	5: "new-dest", 6: "set-dest", 7: "del-dest",
	9: "new-daemon", 10: "del-daemon", 12: "set-config", 16: "zero", 17: "flush",
}

// WatchWrites records every command to IPVS in a host's namespace. An nlmon device shows all netlink traffic of its namespace as
// packets, so not even a write that changes nothing goes unseen. It fails where the kernel has no nlmon.
func WatchWrites(h *netlab.Host, tape *Tape[Write]) error {
	var family int
	err := h.Do(func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "nlmon0"
		link := &netlink.GenericLink{LinkAttrs: attrs, LinkType: "nlmon"}
		if err := netlink.LinkAdd(link); err != nil {
			return fmt.Errorf("add nlmon0: %w", err)
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return fmt.Errorf("set nlmon0 up: %w", err)
		}
		f, err := netlink.GenlFamilyGet("IPVS")
		if err != nil {
			return fmt.Errorf("find IPVS: %w", err)
		}
		family = int(f.ID)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	c, err := listen(h, "nlmon0", requestsOnly)
	if err != nil {
		return err
	}
	go func() {
		rested := mono.Now()
		c.read(func(at mono.Time, from *unix.SockaddrLinklayer, data []byte) {
			for _, w := range writes(data, family) {
				w.At, w.Host = at, h.Name
				tape.add(at, w)
			}
			// Packets have their times, and wait: woken by each, the observer would slow down who writes thousands.
			if mono.Now().Sub(rested) > watchTime {
				time.Sleep(restTime)
				rested = mono.Now()
			}
		})
	}()
	return nil
}

// Of a storm of commands the observer reads for a while, and rests.
const (
	watchTime = 5 * time.Millisecond
	restTime  = 20 * time.Millisecond
)

// requestsOnly keeps the much busier route netlink out: for nlmon the packet's protocol is the netlink family. What does not begin with a request
// is an answer of the kernel: the listing of a large table would keep the observer busy.
var requestsOnly = []bpf.Instruction{
	bpf.LoadExtension{Num: bpf.ExtProto},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.NETLINK_GENERIC, SkipTrue: 1},
	bpf.RetConstant{},
	bpf.LoadAbsolute{Off: lowByteOfFlags, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.NLM_F_REQUEST, SkipTrue: 1},
	bpf.RetConstant{},
	bpf.RetConstant{Val: 1 << 17},
}

// lowByteOfFlags is where a netlink message, whose flags are at 6 in the machine's own order, has the lower half of them.
var lowByteOfFlags = 6 + uint32(binary.NativeEndian.Uint16([]byte{0, 1})&1)

// writes finds the IPVS commands in one netlink packet, which may carry many messages. The kernel answers a listing with messages that
// bear the commands of a write too: only the flag for a request tells them apart.
func writes(data []byte, family int) (commands []Write) {
	const header = 16
	for len(data) >= header+4 {
		size := int(binary.NativeEndian.Uint32(data))
		if size < header+4 || size > len(data) {
			return commands
		}
		kind, flags := binary.NativeEndian.Uint16(data[4:]), binary.NativeEndian.Uint16(data[6:])
		if int(kind) == family && flags&unix.NLM_F_REQUEST != 0 {
			if name, ok := writeNames[data[header]]; ok {
				commands = append(commands, Write{Command: name, Server: destination(data[header+4 : size])})
			}
		}
		data = data[min((size+3)&^3, len(data)):]
	}
	return commands
}

// destination finds the IPv4 address of the real server in the attributes of a command; "": there is none.
func destination(attributes []byte) string {
	const dest, address = 2, 1 // IPVS_CMD_ATTR_DEST, IPVS_DEST_ATTR_ADDR
	// Some send the address as it is, some in room for either family.
	addr := attribute(attribute(attributes, dest), address)
	if len(addr) < 4 || len(bytes.Trim(addr[4:], "\x00")) > 0 {
		return ""
	}
	return netip.AddrFrom4([4]byte(addr)).String()
}

// attribute finds the payload of a netlink attribute.
func attribute(data []byte, kind uint16) []byte {
	const header, flags = 4, unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER
	for len(data) >= header {
		size := int(binary.NativeEndian.Uint16(data))
		if size < header || size > len(data) {
			return nil
		}
		if binary.NativeEndian.Uint16(data[2:])&^flags == kind {
			return data[header:size]
		}
		data = data[min((size+3)&^3, len(data)):]
	}
	return nil
}
