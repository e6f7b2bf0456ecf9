package kernel

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/lbha/lbha/ipvs"
)

// connectionFile has the connections of the network namespace of who opens it.
// No other interface of the kernel has them.
const connectionFile = "/proc/net/ip_vs_conn"

// maxConnectionLine is more than the kernel writes: three IPv6 addresses, and at
// most 16 + 255 bytes of a persistence engine.
const maxConnectionLine = 1024

// Connection is an entry of the kernel's connection table.
type Connection struct {
	// Protocol is "tcp", "udp", "sctp"; "ip" for the template of a firewall
	// mark; or another that the kernel names.
	Protocol string         `json:"protocol"`
	Client   netip.AddrPort `json:"client"`
	// Virtual is where the client connected to; not valid for the template of a
	// firewall mark, which has Mark instead.
	Virtual netip.AddrPort `json:"virtual,omitzero"`
	Mark    uint32         `json:"mark,omitempty"`
	Server  netip.AddrPort `json:"server"`
	State   string         `json:"state"`   // as the kernel names it: ESTABLISHED, …
	Expires time.Duration  `json:"expires"` // the entry goes then if nothing happens; whole seconds
	// Template says that this is no connection but what binds a client (the
	// address of Client, whose port is 0) to a server: persistence.
	Template bool `json:"template"`
	// Engine and EngineData are those of a persistence engine: "sip" and the
	// call ID, which is whatever bytes the client sent.
	Engine     string `json:"engine,omitempty"`
	EngineData string `json:"engine_data,omitempty"`
}

// Service returns the key of the service that the entry names, and the zero Key
// if it names none. A connection through a firewall-mark service names its
// address; its template, if it has one, names the mark.
func (c Connection) Service() ipvs.Key {
	if c.Mark != 0 {
		family := ipvs.IPv4
		if c.Client.Addr().Is6() {
			family = ipvs.IPv6
		}
		return ipvs.MarkKey(c.Mark, family)
	}
	var p ipvs.Protocol
	if p.UnmarshalText([]byte(c.Protocol)) != nil || !c.Virtual.IsValid() {
		return ipvs.Key{}
	}
	return ipvs.NewKey(p, c.Virtual)
}

// Connections reads the connection table of the calling process's network
// namespace, in the order of the kernel's hash. The kernel lists without a lock:
// what changes meanwhile can be missed or come twice. If the error is of single
// lines, the others are returned with it.
func Connections() ([]Connection, error) {
	const what = "read the IPVS connections"
	f, err := os.Open(connectionFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", what, ipvs.ErrUnavailable)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s: %w", what, ipvs.ErrPermission)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer f.Close()
	list, err := ReadConnections(f)
	if err != nil {
		return list, fmt.Errorf("%s: %s: %w", what, connectionFile, err)
	}
	return list, nil
}

// ReadConnections reads a connection table in the format of
// /proc/net/ip_vs_conn (ip_vs_conn_seq_show in net/netfilter/ipvs/ip_vs_conn.c).
// If the error is of single lines, the others are returned with it.
func ReadConnections(r io.Reader) ([]Connection, error) {
	var list []Connection
	var first error
	number, bad := 0, 0
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxConnectionLine)
	for lines.Scan() {
		number++
		line := lines.Text()
		if number == 1 && strings.HasPrefix(line, "Pro ") || strings.TrimSpace(line) == "" {
			continue
		}
		c, err := parseConnection(line)
		if err != nil {
			if bad++; bad == 1 {
				first = fmt.Errorf("line %d: %w", number, err)
			}
			continue
		}
		list = append(list, c)
	}
	if err := lines.Err(); err != nil {
		return list, fmt.Errorf("line %d: %w", number+1, err)
	}
	if bad > 1 {
		return list, fmt.Errorf("%w; and %d more lines", first, bad-1)
	}
	return list, first
}

func parseConnection(line string) (Connection, error) {
	var field [9]string
	rest := line
	for i := range field {
		field[i], rest = cutWord(rest)
	}
	if field[8] == "" {
		return Connection{}, errors.New("fewer than 9 fields")
	}
	var c Connection
	var err error
	c.Protocol = strings.ToLower(field[0])
	if c.Client, err = procAddrPort(field[1], field[2]); err != nil {
		return Connection{}, fmt.Errorf("client: %w", err)
	}
	if c.Virtual, err = procAddrPort(field[3], field[4]); err != nil {
		return Connection{}, fmt.Errorf("virtual address: %w", err)
	}
	if c.Server, err = procAddrPort(field[5], field[6]); err != nil {
		return Connection{}, fmt.Errorf("server: %w", err)
	}
	c.State = field[7]
	seconds, err := strconv.ParseUint(field[8], 10, 32)
	if err != nil {
		return Connection{}, fmt.Errorf("expires: %q is no number of seconds", field[8])
	}
	c.Expires = time.Duration(seconds) * time.Second
	c.Engine, c.EngineData = cutWord(rest)
	c.Template = c.Client.Port() == 0
	if c.Template && c.Protocol == "ip" {
		// The mark stands in the first four bytes of the address, whatever the family.
		c.Mark = binary.BigEndian.Uint32(c.Virtual.Addr().AsSlice())
		c.Virtual = netip.AddrPort{}
	}
	return c, nil
}

// cutWord returns the first word of s, and what follows the space after it.
func cutWord(s string) (word, rest string) {
	word, rest, _ = strings.Cut(strings.TrimLeft(s, " "), " ")
	return word, rest
}

// procAddrPort reads an address as the kernel prints it there, 0A090064 or
// 2001:0db8:0000:…, and a port of four hexadecimal digits.
func procAddrPort(address, port string) (netip.AddrPort, error) {
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is no port", port)
	}
	if strings.Contains(address, ":") {
		a, err := netip.ParseAddr(address)
		if err != nil || a.Zone() != "" {
			return netip.AddrPort{}, fmt.Errorf("%q is no address", address)
		}
		return netip.AddrPortFrom(a, uint16(p)), nil
	}
	n, err := strconv.ParseUint(address, 16, 32)
	if err != nil || len(address) != 8 {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", address)
	}
	a := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(n))))
	return netip.AddrPortFrom(a, uint16(p)), nil
}
