//go:build linux

package address

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// readLimit is how many datagrams one Read takes: level-triggered epoll
	// brings the loop back for more.
	readLimit = 256
	// changesLimit is how much a Changes lists of each kind before it says that
	// anything may have changed.
	changesLimit = 256
)

// Watch hears of changes of links and addresses. They are hints to read the
// state again. It is for one goroutine.
type Watch struct {
	s    *socket
	self uint32 // the port of the Conn, whose own changes are no news
}

// Changes is what a Watch heard since the last Read.
type Changes struct {
	// Lost: there was more than the kernel's queue or this struct holds.
	// Anything may have changed.
	Lost bool
	// Links are the indexes of links that changed, or an address or an IPv6
	// setting of which did, each once.
	Links []int
	// Deleted are the addresses that went, in order.
	Deleted []Deleted
}

// Deleted is an address that went.
type Deleted struct {
	Index  int
	Prefix netip.Prefix
	// Ours: it carried our mark.
	Ours bool
	// Kernel: the event names no process. Of an IPv4 address this says that its
	// lease ended or its link went; of an IPv6 address it is always so.
	Kernel bool
}

// Watch opens a second socket, which hears of changes of links, of their IPv6
// settings and of addresses, in the network namespace of the calling thread. It leaves out what this Conn
// does, but for the release of an IPv6 address: there the kernel does not say
// who did it.
func (c *Conn) Watch() (*Watch, error) {
	const settings = 1 << (unix.RTNLGRP_IPV6_NETCONF - 1)
	s, err := openSocket(unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | settings)
	if err != nil {
		return nil, fmt.Errorf("watch links and addresses: %w", err)
	}
	if err := s.spare(c.s.port); err != nil {
		s.close()
		return nil, fmt.Errorf("watch links and addresses: %w", err)
	}
	return &Watch{s: s, self: c.s.port}, nil
}

// FD is the descriptor to watch for input, level-triggered.
func (w *Watch) FD() int { return w.s.fd }

// Close closes the socket.
func (w *Watch) Close() error { return w.s.close() }

// Read overwrites ch, whose slices it uses again, with what was heard. It does
// not block. On an error ch holds what came before it.
func (w *Watch) Read(ch *Changes) error {
	ch.Lost, ch.Links, ch.Deleted = false, ch.Links[:0], ch.Deleted[:0]
	for range readLimit {
		datagram, err := w.s.receive(time.Time{})
		switch {
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, errTruncated):
			ch.Lost = true
		case err != nil:
			return fmt.Errorf("watch links and addresses: %w", err)
		case datagram == nil:
			return nil
		default:
			ch.add(datagram, w.self)
		}
	}
	return nil
}

// add notes the news in a datagram that self did not cause.
func (ch *Changes) add(datagram []byte, self uint32) {
	for h, body := range messages(datagram) {
		if h.port == self {
			continue
		}
		switch h.kind {
		case unix.RTM_NEWLINK, unix.RTM_DELLINK:
			if s, ok := parseLink(body); ok {
				ch.changed(s.Index)
			}
		case unix.RTM_NEWNETCONF:
			if index := parseSettings(body); index > 0 {
				ch.changed(index)
			}
		case unix.RTM_NEWADDR, unix.RTM_DELADDR:
			m := parseAddress(body)
			// Only we put our mark on an address: a claim or renewal of IPv6.
			if !m.prefix.IsValid() || h.kind == unix.RTM_NEWADDR && m.protocol == Protocol {
				continue
			}
			ch.changed(m.index)
			if h.kind == unix.RTM_NEWADDR {
				continue
			}
			if len(ch.Deleted) == changesLimit {
				ch.Lost = true
				continue
			}
			ch.Deleted = append(ch.Deleted, Deleted{
				Index: m.index, Prefix: m.prefix,
				Ours:   m.protocol == Protocol,
				Kernel: h.port == 0,
			})
		}
	}
}

// changed notes a link once.
func (ch *Changes) changed(index int) {
	if slices.Contains(ch.Links, index) {
		return
	}
	if len(ch.Links) == changesLimit {
		ch.Lost = true
		return
	}
	ch.Links = append(ch.Links, index)
}
