//go:build linux

package address

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// batch is how many requests go out in one write: their acknowledgements
	// fit into the socket's queue with much room to spare.
	batch = 128
	// dumpAttempts is how often a dump is repeated that a change interrupted.
	dumpAttempts = 5
)

// Conn is an rtnetlink socket for requests. It is for one goroutine.
type Conn struct {
	s   *socket
	seq uint32
	out []byte
}

// Dial opens the socket in the network namespace of the calling thread.
func Dial() (*Conn, error) {
	s, err := openSocket(0)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink socket: %w", err)
	}
	return &Conn{s: s}, nil
}

// Close closes the socket. Addresses stay until their lease ends.
func (c *Conn) Close() error { return c.s.close() }

// Claim puts every VIP on its interface for the time of lease, rounded up to
// whole seconds, or for ever if lease is 0. One that is there already, with the
// same prefix length, is adopted.
//
// The error is nil if all were claimed. Otherwise it joins a [Failure] for each
// VIP that was not; the others were.
func (c *Conn) Claim(vips []VIP, lease time.Duration) error { return c.claim("claim", vips, lease) }

// Renew begins the lease of every VIP anew. It differs from Claim in the name
// of its failures only: the kernel has no renewal that would not bring back an
// address that is gone. A caller that must know of a loss drains its Watch
// before it renews.
func (c *Conn) Renew(vips []VIP, lease time.Duration) error { return c.claim("renew", vips, lease) }

func (c *Conn) claim(op string, vips []VIP, lease time.Duration) error {
	const flags = unix.NLM_F_ACK | unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	return c.each(op, vips, func(b []byte, seq uint32, v *VIP) []byte {
		return appendMessage(b, unix.RTM_NEWADDR, flags, seq, func(b []byte) []byte {
			return appendLease(appendVIP(b, v), v, lease)
		})
	})
}

// Release takes every VIP off. One that is not there, or whose interface is
// not, is no failure. Errors are as in Claim.
func (c *Conn) Release(vips []VIP) error {
	return c.each("release", vips, func(b []byte, seq uint32, v *VIP) []byte {
		return appendMessage(b, unix.RTM_DELADDR, unix.NLM_F_ACK, seq, func(b []byte) []byte {
			return appendVIP(b, v)
		})
	})
}

// each sends one request for each VIP, in batches, and joins the failures.
func (c *Conn) each(op string, vips []VIP, request func(b []byte, seq uint32, v *VIP) []byte) error {
	var failures []error
	for len(vips) > 0 {
		n := min(batch, len(vips))
		first := c.seq + 1
		c.out = c.out[:0]
		for i := range vips[:n] {
			c.seq++
			start := len(c.out)
			c.out = request(c.out, c.seq, &vips[i])
			if i < n-1 {
				unacknowledged(c.out[start:])
			}
		}
		if err := c.s.send(c.out); err != nil {
			return errors.Join(append(failures, fmt.Errorf("%s %d addresses: %w", op, len(vips), explain(err)))...)
		}
		err := c.acknowledged(first, n, func(i int, err error) {
			gone := errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV)
			if op != "release" || !gone {
				failures = append(failures, &Failure{Op: op, VIP: vips[i], Err: explain(err)})
			}
		})
		if err != nil {
			return errors.Join(append(failures, fmt.Errorf("%s %d addresses: %w", op, len(vips), err))...)
		}
		vips = vips[n:]
	}
	return errors.Join(failures...)
}

// unacknowledged takes the wish for an acknowledgement out of a request: if it
// fails it is answered all the same, and the kernel answers in order.
func unacknowledged(request []byte) {
	const flags = 6 // of struct nlmsghdr
	native.PutUint16(request[flags:], native.Uint16(request[flags:])&^unix.NLM_F_ACK)
}

// acknowledged reads the answers to the n requests from number first on, up to
// the acknowledgement of the last, and gives the errors in them to failed, with
// the request's place among the n.
func (c *Conn) acknowledged(first uint32, n int, failed func(i int, err error)) error {
	deadline := time.Now().Add(answerTimeout)
	for done := false; !done; {
		datagram, err := c.s.receive(deadline)
		if err != nil {
			return err
		}
		for h, body := range messages(datagram) {
			// An answer to an earlier request, which timed out, is far off.
			i := h.seq - first
			if h.kind != unix.NLMSG_ERROR || i >= uint32(n) {
				continue
			}
			done = done || i == uint32(n-1)
			if err := parseAck(h.flags, body); err != nil {
				failed(int(i), err)
			}
		}
	}
	return nil
}

// Missing reads from the kernel which of vips are not on their interface,
// whoever put those there that are: marks do not count.
func (c *Conn) Missing(vips []VIP) ([]VIP, error) {
	type place struct {
		index  int
		prefix netip.Prefix
	}
	there := make(map[place]bool)
	err := c.dump(unix.RTM_GETADDR, addressesOf(0), func(kind uint16, body []byte) {
		if m := parseAddress(body); kind == unix.RTM_NEWADDR {
			there[place{m.index, m.prefix}] = true
			there[place{m.index, anyLength(m.prefix)}] = true
		}
	}, func() { clear(there) })
	if err != nil {
		return nil, fmt.Errorf("look for %d addresses: %w", len(vips), err)
	}
	var missing []VIP
	for _, v := range vips {
		at := place{v.Index, v.Prefix}
		if v.AnyLength {
			at.prefix = anyLength(v.Prefix)
		}
		if !there[at] {
			missing = append(missing, v)
		}
	}
	return missing, nil
}

// anyLength stands for an address with any prefix length. No address has this
// one.
func anyLength(p netip.Prefix) netip.Prefix { return netip.PrefixFrom(p.Addr(), -1) }

// Held reads from the kernel which addresses carry our mark. It may leave out
// one that was adopted: see the package comment.
func (c *Conn) Held() ([]Held, error) {
	var held []Held
	err := c.dump(unix.RTM_GETADDR, addressesOf(0), func(kind uint16, body []byte) {
		m := parseAddress(body)
		if kind == unix.RTM_NEWADDR && m.protocol == Protocol && m.prefix.IsValid() {
			held = append(held, Held{
				VIP:       VIP{Prefix: m.prefix, Index: m.index, Label: m.label},
				Remaining: m.remaining(),
			})
		}
	}, func() { held = nil })
	if err != nil {
		return nil, fmt.Errorf("list held addresses: %w", err)
	}
	return held, nil
}

// Link reads the state of a link by its name.
func (c *Conn) Link(name string) (State, error) {
	s, err := c.link(name)
	if err != nil {
		return State{}, fmt.Errorf("read link %s: %w", name, explain(err))
	}
	return s, nil
}

func (c *Conn) link(name string) (s State, err error) {
	if name == "" || len(name) >= unix.IFNAMSIZ {
		return s, ErrNoInterface
	}
	found := false
	err = c.exchange(unix.RTM_GETLINK, 0, linkNamed(name), func(kind uint16, body []byte) {
		if kind == unix.RTM_NEWLINK {
			s, found = parseLink(body)
		}
	})
	if err != nil {
		return s, err
	}
	if !found {
		return s, ErrNoInterface
	}
	err = c.dump(unix.RTM_GETADDR, addressesOf(s.Index), func(kind uint16, body []byte) {
		// A kernel before 4.20 sends those of all links.
		if m := parseAddress(body); kind == unix.RTM_NEWADDR && m.index == s.Index && m.prefix.IsValid() {
			s.add(&m)
		}
	}, func() { s.Addrs, s.Tentative, s.Duplicate = nil, nil, nil })
	return s, err
}

// add takes an address of the link.
func (s *State) add(m *addressMessage) {
	six := m.prefix.Addr().Is6() // the flags mean something else on IPv4
	switch {
	case six && m.flags&unix.IFA_F_DADFAILED != 0:
		s.Duplicate = append(s.Duplicate, m.prefix.Addr())
	case six && m.flags&unix.IFA_F_TENTATIVE != 0 && m.flags&unix.IFA_F_OPTIMISTIC == 0:
		s.Tentative = append(s.Tentative, m.prefix.Addr())
	case six && m.flags&unix.IFA_F_TEMPORARY != 0:
	default:
		s.Addrs = append(s.Addrs, m.prefix)
	}
}

// addressesOf is the body of a request for the addresses of a link; 0 is all.
func addressesOf(index int) func([]byte) []byte {
	return func(b []byte) []byte {
		b = append(b, unix.AF_UNSPEC, 0, 0, 0)
		return native.AppendUint32(b, uint32(index))
	}
}

// rtextFilterSkipStats is RTEXT_FILTER_SKIP_STATS of linux/rtnetlink.h.
const rtextFilterSkipStats = 1 << 3

// linkNamed is the body of a request for a link, without its statistics.
func linkNamed(name string) func([]byte) []byte {
	return func(b []byte) []byte {
		b = append(b, make([]byte, unix.SizeofIfInfomsg)...)
		b = appendAttribute(b, unix.IFLA_IFNAME, append([]byte(name), 0)...)
		return appendAttribute(b, unix.IFLA_EXT_MASK, native.AppendUint32(nil, rtextFilterSkipStats)...)
	}
}

// errInterrupted: the table changed while the kernel listed it.
var errInterrupted = errors.New("the kernel's table kept changing while it was read")

// dump lists a table. again is called before a listing that a change made
// worthless is repeated.
func (c *Conn) dump(kind uint16, body func([]byte) []byte, f func(kind uint16, body []byte), again func()) error {
	for range dumpAttempts {
		err := c.exchange(kind, unix.NLM_F_DUMP, body, f)
		if !errors.Is(err, errInterrupted) {
			return err
		}
		again()
	}
	return errInterrupted
}

// exchange sends one request and gives every message of the answer to f.
func (c *Conn) exchange(kind, flags uint16, body func([]byte) []byte, f func(kind uint16, body []byte)) error {
	c.seq++
	c.out = appendMessage(c.out[:0], kind, flags, c.seq, body)
	if err := c.s.send(c.out); err != nil {
		return err
	}
	deadline := time.Now().Add(answerTimeout)
	interrupted := false
	for {
		datagram, err := c.s.receive(deadline)
		if err != nil {
			return err
		}
		for h, body := range messages(datagram) {
			if h.seq != c.seq {
				continue // of an earlier request that timed out
			}
			interrupted = interrupted || h.flags&unix.NLM_F_DUMP_INTR != 0
			switch h.kind {
			case unix.NLMSG_ERROR:
				return parseAck(h.flags, body)
			case unix.NLMSG_DONE:
				if err := parseDone(body); err != nil {
					return err
				}
				if interrupted {
					return errInterrupted
				}
				return nil
			}
			f(h.kind, body)
			if h.flags&unix.NLM_F_MULTI == 0 {
				return nil
			}
		}
	}
}

// parseDone reads the body of NLMSG_DONE, which may hold an error, as that of
// NLMSG_ERROR does, or nothing.
func parseDone(b []byte) error {
	if len(b) < 4 {
		return nil
	}
	return parseAck(0, b)
}
