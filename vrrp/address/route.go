//go:build linux

package address

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Route is an entry of a routing table. Its key, of which a table has one entry,
// is Destination and Metric.
type Route struct {
	Destination netip.Prefix // masked
	Via         netip.Addr   // the next hop, of the same family; invalid: on the link
	Index       int          // the interface's
	Source      netip.Addr   // preferred source address; invalid: the kernel's choice
	Table       int          // 1 to 2^31-1
	Metric      int          // 0: the kernel's default
}

// Rule says which table is asked for a packet. At least one of From and To is
// valid.
type Rule struct {
	From, To netip.Prefix // masked
	Table    int
	Priority int
}

// String returns the route's destination and table.
func (r Route) String() string { return fmt.Sprintf("route %v in table %d", r.Destination, r.Table) }

// String returns what the rule is for.
func (r Rule) String() string {
	s := fmt.Sprintf("rule %d", r.Priority)
	if r.From.IsValid() {
		s += " from " + r.From.String()
	}
	if r.To.IsValid() {
		s += " to " + r.To.String()
	}
	return fmt.Sprintf("%s: table %d", s, r.Table)
}

// AddRoutes adds routes, marked as ours (Protocol), and returns what became of
// each: nil, ErrExists, or the kernel's error. It never replaces one.
func (c *Conn) AddRoutes(rs []Route) []error {
	const flags = unix.NLM_F_ACK | unix.NLM_F_CREATE | unix.NLM_F_EXCL
	return c.table(len(rs), func(b []byte, seq uint32, i int) []byte {
		return appendMessage(b, unix.RTM_NEWROUTE, flags, seq, func(b []byte) []byte { return appendRoute(b, &rs[i], true) })
	})
}

// RemoveRoutes removes routes of ours, by their keys, and returns what became of
// each: nil, ErrAbsent, or the kernel's error. Those of others stay.
func (c *Conn) RemoveRoutes(rs []Route) []error {
	return c.table(len(rs), func(b []byte, seq uint32, i int) []byte {
		return appendMessage(b, unix.RTM_DELROUTE, unix.NLM_F_ACK, seq, func(b []byte) []byte { return appendRoute(b, &rs[i], false) })
	})
}

// AddRules is AddRoutes for rules.
func (c *Conn) AddRules(rs []Rule) []error {
	const flags = unix.NLM_F_ACK | unix.NLM_F_CREATE | unix.NLM_F_EXCL
	return c.table(len(rs), func(b []byte, seq uint32, i int) []byte {
		return appendMessage(b, unix.RTM_NEWRULE, flags, seq, func(b []byte) []byte { return appendRule(b, &rs[i]) })
	})
}

// RemoveRules is RemoveRoutes for rules.
func (c *Conn) RemoveRules(rs []Rule) []error {
	return c.table(len(rs), func(b []byte, seq uint32, i int) []byte {
		return appendMessage(b, unix.RTM_DELRULE, unix.NLM_F_ACK, seq, func(b []byte) []byte { return appendRule(b, &rs[i]) })
	})
}

var (
	// ErrExists: the table has an entry with this key.
	ErrExists = errors.New("there is one already")
	// ErrAbsent: the table has no entry of ours with this key.
	ErrAbsent = errors.New("there is none of ours")
)

// table sends n requests, in batches, and returns an error for each.
func (c *Conn) table(n int, request func(b []byte, seq uint32, i int) []byte) []error {
	errs := make([]error, n)
	for begin := 0; begin < n; begin += batch {
		end := min(begin+batch, n)
		first := c.seq + 1
		c.out = c.out[:0]
		for i := begin; i < end; i++ {
			c.seq++
			c.out = request(c.out, c.seq, i)
		}
		err := c.s.send(c.out)
		if err == nil {
			err = c.acknowledged(first, end-begin, func(i int, err error) { errs[begin+i] = explainEntry(err) })
		}
		if err != nil {
			for i := begin; i < n; i++ {
				if errs[i] == nil {
					errs[i] = explain(err)
				}
			}
			break
		}
	}
	return errs
}

func explainEntry(err error) error {
	switch {
	case errors.Is(err, unix.EEXIST):
		return ErrExists
	case errors.Is(err, unix.ESRCH), errors.Is(err, unix.ENOENT):
		return ErrAbsent
	}
	return explain(err)
}

// Routes lists the routes of both families that carry our mark. The kernel walks
// all of its tables for that.
func (c *Conn) Routes() ([]Route, error) {
	var all []Route
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		before := len(all)
		err := c.dump(unix.RTM_GETROUTE, func(b []byte) []byte {
			return append(b, family, 0, 0, 0, 0, Protocol, 0, 0, 0, 0, 0, 0)
		}, func(kind uint16, body []byte) {
			if r, ok := parseRoute(body); kind == unix.RTM_NEWROUTE && ok {
				all = append(all, r)
			}
		}, func() { all = all[:before] })
		if err != nil && !noFamily(err) {
			return nil, fmt.Errorf("list routes: %w", explain(err))
		}
	}
	return all, nil
}

// Rules lists the rules of both families that carry our mark.
func (c *Conn) Rules() ([]Rule, error) {
	var all []Rule
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		before := len(all)
		err := c.dump(unix.RTM_GETRULE, func(b []byte) []byte {
			return append(b, family, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		}, func(kind uint16, body []byte) {
			if r, ok := parseRule(body); kind == unix.RTM_NEWRULE && ok {
				all = append(all, r)
			}
		}, func() { all = all[:before] })
		if err != nil && !noFamily(err) {
			return nil, fmt.Errorf("list rules: %w", explain(err))
		}
	}
	return all, nil
}

// noFamily: the kernel lacks the family, or policy routing.
func noFamily(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOENT)
}

// tableByte is the table where it fits into a byte; else an attribute has it.
func tableByte(table int) byte {
	if table > 255 {
		return unix.RT_TABLE_UNSPEC
	}
	return byte(table)
}

func familyOf(a netip.Addr) byte {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// appendRoute appends the body of a message about a route: all of it, or its key.
func appendRoute(b []byte, r *Route, whole bool) []byte {
	scope := byte(unix.RT_SCOPE_UNIVERSE)
	switch {
	case !whole:
		scope = unix.RT_SCOPE_NOWHERE // any
	case r.Destination.Addr().Is4() && !r.Via.IsValid():
		scope = unix.RT_SCOPE_LINK
	}
	kind := byte(unix.RTN_UNICAST)
	b = append(b, familyOf(r.Destination.Addr()), byte(r.Destination.Bits()), 0, 0, tableByte(r.Table), Protocol, scope, kind, 0, 0, 0, 0)
	b = appendAttribute(b, unix.RTA_TABLE, native.AppendUint32(nil, uint32(r.Table))...)
	b = appendAttribute(b, unix.RTA_DST, r.Destination.Addr().AsSlice()...)
	if r.Metric != 0 {
		b = appendAttribute(b, unix.RTA_PRIORITY, native.AppendUint32(nil, uint32(r.Metric))...)
	}
	if !whole {
		return b
	}
	b = appendAttribute(b, unix.RTA_OIF, native.AppendUint32(nil, uint32(r.Index))...)
	if r.Via.IsValid() {
		b = appendAttribute(b, unix.RTA_GATEWAY, r.Via.AsSlice()...)
	}
	if r.Source.IsValid() {
		b = appendAttribute(b, unix.RTA_PREFSRC, r.Source.AsSlice()...)
	}
	return b
}

// Attributes of a rule (FRA_… of linux/fib_rules.h), and its action.
const (
	fraDst      = 1
	fraSrc      = 2
	fraPriority = 6
	fraTable    = 15
	fraProtocol = 21

	actionTable = 1 // FR_ACT_TO_TBL
)

func appendRule(b []byte, r *Rule) []byte {
	bits := func(p netip.Prefix) byte { return byte(max(p.Bits(), 0)) }
	family := familyOf(r.From.Addr())
	if !r.From.IsValid() {
		family = familyOf(r.To.Addr())
	}
	b = append(b, family, bits(r.To), bits(r.From), 0, tableByte(r.Table), 0, 0, actionTable, 0, 0, 0, 0)
	if bits(r.To) > 0 {
		b = appendAttribute(b, fraDst, r.To.Addr().AsSlice()...)
	}
	if bits(r.From) > 0 {
		b = appendAttribute(b, fraSrc, r.From.Addr().AsSlice()...)
	}
	b = appendAttribute(b, fraTable, native.AppendUint32(nil, uint32(r.Table))...)
	b = appendAttribute(b, fraPriority, native.AppendUint32(nil, uint32(r.Priority))...)
	return appendAttribute(b, fraProtocol, Protocol)
}

// anyOf is the address that the prefix of length 0 has.
func anyOf(family byte) netip.Addr {
	if family == unix.AF_INET {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// parseRoute reads the body of RTM_NEWROUTE, if it is of a route of ours.
func parseRoute(b []byte) (r Route, ok bool) {
	if len(b) < unix.SizeofRtMsg || b[5] != Protocol || b[7] != unix.RTN_UNICAST {
		return r, false
	}
	r.Table = int(b[4])
	dst := anyOf(b[0])
	for kind, data := range attributes(b, unix.SizeofRtMsg) {
		switch kind {
		case unix.RTA_TABLE:
			r.Table = int(number(data))
		case unix.RTA_DST:
			dst, _ = netip.AddrFromSlice(data)
		case unix.RTA_GATEWAY:
			r.Via, _ = netip.AddrFromSlice(data)
		case unix.RTA_OIF:
			r.Index = int(number(data))
		case unix.RTA_PREFSRC:
			r.Source, _ = netip.AddrFromSlice(data)
		case unix.RTA_PRIORITY:
			r.Metric = int(number(data))
		}
	}
	r.Destination = netip.PrefixFrom(dst, int(b[1]))
	return r, r.Destination.IsValid()
}

// parseRule reads the body of RTM_NEWRULE, if it is of a rule of ours.
func parseRule(b []byte) (r Rule, ok bool) {
	const size = 12 // of struct fib_rule_hdr
	if len(b) < size {
		return r, false
	}
	r.Table = int(b[4])
	for kind, data := range attributes(b, size) {
		addr, _ := netip.AddrFromSlice(data)
		switch kind {
		case fraDst:
			r.To = netip.PrefixFrom(addr, int(b[1]))
		case fraSrc:
			r.From = netip.PrefixFrom(addr, int(b[2]))
		case fraTable:
			r.Table = int(number(data))
		case fraPriority:
			r.Priority = int(number(data))
		case fraProtocol:
			ok = len(data) > 0 && data[0] == Protocol
		}
	}
	if !r.From.IsValid() && !r.To.IsValid() {
		r.From = netip.PrefixFrom(anyOf(b[0]), 0) // of this family
	}
	return r, ok
}

// number is a 32-bit value; 0 if there is less.
func number(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return native.Uint32(b)
}
