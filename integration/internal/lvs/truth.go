package lvs

import (
	"bytes"
	"fmt"
	"net/netip"
)

// exchange is one request as the wire showed it, with what is known of those who took part.
type exchange struct {
	service  service
	packets  []packet
	client   netip.AddrPort // as it knows itself
	director endpoint       // the segment's side of it that the packets to the real server leave by
	server   endpoint       // which served
	answer   string         // of the server: its name, and the client's address as it saw it
}

// endpoint is a host on the inside segment.
type endpoint struct {
	name string
	addr netip.AddrPort
	mac  string
}

// truth is one demand on an exchange.
type truth struct {
	name  string
	judge func(x exchange) (bool, string)
}

// truths are what must be true of a forwarding method.
func truths(mode string) []truth {
	sees := truth{"the real server sees the client's address", func(x exchange) (bool, string) {
		want := x.server.name + " " + x.client.Addr().String()
		return x.answer == want, fmt.Sprintf("answer %q", x.answer)
	}}
	bypass := truth{"the answer does not pass the director", func(x exchange) (bool, string) {
		got, through := len(x.answers("client")), len(x.answers("d1"))
		return got > 0 && through == 0, fmt.Sprintf("the client got %d packets, %d of them by the director", got, through)
	}}
	switch mode {
	case "dr":
		return []truth{{"only the MAC addresses change", direct}, bypass, sees}
	case "tun":
		return []truth{{"the packet is wrapped, the inner one unchanged", wrapped}, bypass, sees}
	default:
		return []truth{{"the destination is rewritten on the way in", rewrittenIn}, {"the source is rewritten on the way out", rewrittenOut}, sees}
	}
}

// asked are the client's packets to the service that the director received.
func (x exchange) asked() (list []packet) {
	for _, p := range x.packets {
		if p.host == "d1" && !p.out && p.inner == nil && p.src == x.client && p.dst.Addr() == x.service.addr {
			list = append(list, p)
		}
	}
	return list
}

// passed are the packets to the real server's MAC address that the director sent.
func (x exchange) passed() (list []packet) {
	for _, p := range x.packets {
		if p.host == "d1" && p.out && p.iface == inside && p.claim == (netip.Addr{}) && p.to.String() == x.server.mac && x.concerns(p) {
			list = append(list, p)
		}
	}
	return list
}

// concerns reports whether a packet carries the client's part of the exchange.
func (x exchange) concerns(p packet) bool {
	if p.inner != nil {
		return p.inner.src == x.client
	}
	return p.src == x.client
}

// answers are the packets from the service's address that a host received or sent.
func (x exchange) answers(host string) (list []packet) {
	for _, p := range x.packets {
		if p.host == host && p.inner == nil && p.src.Addr() == x.service.addr && p.dst == x.client {
			list = append(list, p)
		}
	}
	return list
}

// pairs checks each packet that came in beside the one that went out for it.
func (x exchange) pairs(check func(in, out packet) error) (bool, string) {
	in, out := x.asked(), x.passed()
	if len(in) < 3 || len(in) != len(out) {
		return false, fmt.Sprintf("%d packets came in, %d went out", len(in), len(out))
	}
	for i := range in {
		if err := check(in[i], out[i]); err != nil {
			return false, fmt.Sprintf("packet %d: %v", i+1, err)
		}
	}
	return true, fmt.Sprintf("%d packets", len(in))
}

func direct(x exchange) (bool, string) {
	return x.pairs(func(in, out packet) error {
		if out.inner != nil {
			return fmt.Errorf("it was wrapped")
		}
		if out.from.String() != x.director.mac || bytes.Equal(in.to, out.to) {
			return fmt.Errorf("the MAC addresses are %v → %v", out.from, out.to)
		}
		return same(in.ip, out.ip)
	})
}

func wrapped(x exchange) (bool, string) {
	return x.pairs(func(in, out packet) error {
		switch {
		case out.inner == nil:
			return fmt.Errorf("it was not wrapped")
		case out.wrap != x.service.encapsulation():
			return fmt.Errorf("it was wrapped in %s", out.wrap)
		case out.src.Addr() != x.director.addr.Addr() || out.dst.Addr() != x.server.addr.Addr():
			return fmt.Errorf("the outer packet goes %v → %v", out.src.Addr(), out.dst.Addr())
		}
		return same(in.ip, out.inner.raw)
	})
}

func rewrittenIn(x exchange) (bool, string) {
	return x.pairs(func(in, out packet) error {
		if out.inner != nil || out.dst != x.server.addr || out.src != x.client {
			return fmt.Errorf("%v → %v became %v → %v", in.src, in.dst, out.src, out.dst)
		}
		return nil
	})
}

func rewrittenOut(x exchange) (bool, string) {
	raw := 0
	for _, p := range x.packets {
		switch {
		case p.host == "d1" && !p.out && p.src == x.server.addr && p.dst == x.client:
			raw++
		case p.host == "client" && p.src == x.server.addr:
			return false, fmt.Sprintf("the client got a packet of %v", p.src)
		}
	}
	got := len(x.answers("client"))
	return raw >= 3 && got == raw, fmt.Sprintf("%d answers of the server came to the director, %d of the service to the client", raw, got)
}

// claimants lists who claims an address in the given packets, by MAC address.
func claimants(packets []packet, addr netip.Addr) (macs []string) {
	seen := map[string]bool{}
	for _, p := range packets {
		if p.claim == addr && !seen[p.from.String()] {
			seen[p.from.String()] = true
			macs = append(macs, p.from.String())
		}
	}
	return macs
}
