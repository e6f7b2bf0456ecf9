package ipvs

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// defaultPersistence is that of ipvsadm's -p without a number.
const defaultPersistence = 360 * time.Second

// ParseRules reads what [Table.String] and "ipvsadm -S" write: -A and -a rules,
// one a line, each with an optional leading "ipvsadm". Blank lines and lines
// that begin with # are passed over. Long options are read too.
//
// "ipvsadm -S" without -n writes names for ports; port looks them up. It may be
// nil, and names are errors then. Names of hosts are errors always.
//
// As in ipvsadm, a server without a port has that of its service, and one that
// is not reached by NAT has it in any case. The error is of all lines that are
// wrong, each with its number; the table is nil then.
func ParseRules(text string, port func(p Protocol, name string) (uint16, error)) (Table, error) {
	if port == nil {
		port = func(_ Protocol, name string) (uint16, error) { return 0, fmt.Errorf("port %q is no number", name) }
	}
	table := Table{}
	var errs []error
	number := 0
	for line := range strings.Lines(text) {
		number++
		words := strings.Fields(line)
		if len(words) > 0 && words[0] == "ipvsadm" {
			words = words[1:]
		}
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if err := (&rule{words: words, port: port}).addTo(table); err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", number, err))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return table, nil
}

// rule is one line on its way into a table.
type rule struct {
	words []string // still to be read
	port  func(Protocol, string) (uint16, error)

	service  Service
	server   Server
	real     string // HOST:PORT of the server
	flags    []string
	six      bool
	mark     uint32
	isServer bool
	said     map[string]bool // options that were given
}

func (r *rule) addTo(t Table) error {
	verb := r.words[0]
	switch verb {
	case "-A", "--add-service":
	case "-a", "--add-server":
		r.isServer = true
	default:
		return fmt.Errorf("%q: want -A or -a", verb)
	}
	r.words = r.words[1:]
	r.said = map[string]bool{}
	r.service.Scheduler = WeightedLeastConnection
	r.server = Server{Forward: DR, Weight: 1}
	if err := r.parse(); err != nil {
		return err
	}
	key := r.service.Key
	if !r.isServer {
		if r.real != "" {
			return errors.New("-r belongs to -a")
		}
		if _, exists := t[key]; exists {
			return fmt.Errorf("the service %s is there already", key)
		}
		t[key] = Pool{Service: r.service}
		return nil
	}
	p, exists := t[key]
	if !exists {
		return fmt.Errorf("no -A line for the service %s before", key)
	}
	for _, s := range p.Servers {
		if s.Addr == r.server.Addr {
			return fmt.Errorf("the service %s has the server %s already", key, s.Addr)
		}
	}
	t[key] = NewTable(Pool{p.Service, append(p.Servers, r.server)})[key]
	return nil
}

// parse reads the options, and then what depends on several of them.
func (r *rule) parse() error {
	for len(r.words) > 0 {
		option := r.words[0]
		r.words = r.words[1:]
		if err := r.option(option); err != nil {
			return fmt.Errorf("%s: %w", option, err)
		}
	}
	if r.mark != 0 {
		family := IPv4
		if r.six {
			family = IPv6
		}
		r.service.Key = MarkKey(r.mark, family)
	}
	key := r.service.Key
	if !key.IsValid() {
		return errors.New("no service: want -t, -u, --sctp-service or -f")
	}
	if r.isServer {
		return r.finishServer()
	}
	if r.service.Persistence == 0 {
		r.service.Netmask = 0 // as in ipvsadm: not saved, means nothing
	} else if !r.said["netmask"] {
		r.service.Netmask = HostNetmask(key.Family())
	}
	var flags []Flag
	for _, name := range r.flags {
		flags = append(flags, Flag(name))
	}
	var err error
	r.service.Flags, err = NewFlags(r.service.Scheduler, flags...)
	return err
}

func (r *rule) finishServer() error {
	if r.real == "" {
		return errors.New("no server: want -r")
	}
	key := r.service.Key
	addr, err := r.address(key.Protocol(), r.real, key.Addr().Port())
	if err != nil {
		return fmt.Errorf("-r: %w", err)
	}
	if r.server.Forward != NAT && key.Mark() == 0 {
		addr = netip.AddrPortFrom(addr.Addr(), key.Addr().Port())
	}
	r.server.Addr = addr
	if r.server.Forward != TUN {
		r.server.Tunnel = Tunnel{}
	}
	if r.server.Tunnel.Type == GUE && r.server.Tunnel.Port == 0 {
		return errors.New("--tun-type gue needs --tun-port")
	}
	return nil
}

// option reads one option and its argument.
func (r *rule) option(name string) (err error) {
	switch name {
	case "-t", "--tcp-service":
		return r.serviceAddress(TCP)
	case "-u", "--udp-service":
		return r.serviceAddress(UDP)
	case "--sctp-service":
		return r.serviceAddress(SCTP)
	case "-f", "--fwmark-service":
		r.mark, err = number[uint32](r, 32)
		if err == nil && r.mark == 0 {
			err = errors.New("the mark is not 0")
		}
	case "-6", "--ipv6":
		r.six = true
	case "-s", "--scheduler":
		var w string
		w, err = r.argument()
		r.service.Scheduler = Scheduler(w)
	case "-p", "--persistent":
		return r.persistence()
	case "-M", "--netmask":
		r.said["netmask"] = true
		err = r.text(r.service.Netmask.UnmarshalText)
	case "-b", "--sched-flags":
		var w string
		w, err = r.argument()
		r.flags = strings.Split(w, ",")
	case "-o", "--ops":
		r.service.OnePacket = true
	case "--pe":
		r.service.Engine, err = r.argument()
	case "-r", "--real-server":
		r.real, err = r.argument()
	case "-g", "--gatewaying":
		r.server.Forward = DR
	case "-i", "--ipip":
		r.server.Forward = TUN
	case "-m", "--masquerading":
		r.server.Forward = NAT
	case "-w", "--weight":
		r.server.Weight, err = number[Weight](r, 31)
	case "-x", "--u-threshold":
		r.server.UpperThreshold, err = number[uint32](r, 32)
	case "-y", "--l-threshold":
		r.server.LowerThreshold, err = number[uint32](r, 32)
	case "--tun-type":
		err = r.text(r.server.Tunnel.Type.UnmarshalText)
	case "--tun-port":
		r.server.Tunnel.Port, err = number[uint16](r, 16)
	case "--tun-nocsum":
		r.server.Tunnel.Checksum = NoChecksum
	case "--tun-csum":
		r.server.Tunnel.Checksum = Checksum
	case "--tun-remcsum":
		r.server.Tunnel.Checksum = RemoteChecksum
	default:
		return errors.New("unknown option")
	}
	return err
}

// persistence reads the argument of -p, which may be absent.
func (r *rule) persistence() error {
	r.service.Persistence = defaultPersistence
	if len(r.words) == 0 || strings.HasPrefix(r.words[0], "-") {
		return nil
	}
	seconds, err := number[uint32](r, 31)
	if err == nil && seconds == 0 {
		err = errors.New("a persistence of 0 s is none")
	}
	r.service.Persistence = time.Duration(seconds) * time.Second
	return err
}

// serviceAddress reads the HOST:PORT of a service.
func (r *rule) serviceAddress(p Protocol) error {
	w, err := r.argument()
	if err != nil {
		return err
	}
	addr, err := r.address(p, w, 0)
	if err == nil {
		r.service.Key = NewKey(p, addr)
	}
	return err
}

// address reads HOST, HOST:PORT or [HOST]:PORT.
func (r *rule) address(p Protocol, s string, defaultPort uint16) (netip.AddrPort, error) {
	bad := fmt.Errorf("%q: want ADDRESS or ADDRESS:PORT, an IPv6 address in brackets", s)
	if a, ok := host(s); ok {
		return netip.AddrPortFrom(a, defaultPort), nil
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return netip.AddrPort{}, bad
	}
	a, ok := host(s[:i])
	if !ok || a.Is6() && s[0] != '[' {
		return netip.AddrPort{}, bad
	}
	port := s[i+1:]
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		named, err := r.port(p, port)
		return netip.AddrPortFrom(a, named), err
	case err != nil:
		return netip.AddrPort{}, fmt.Errorf("port %s: want a number from 0 to 65535", port)
	}
	return netip.AddrPortFrom(a, uint16(n)), nil
}

// host reads an address, in brackets or not.
func host(s string) (netip.Addr, bool) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if s, ok = strings.CutSuffix(inner, "]"); !ok {
			return netip.Addr{}, false
		}
	}
	a, err := netip.ParseAddr(s)
	return a, err == nil && a.Zone() == "" && !a.Is4In6()
}

func (r *rule) argument() (string, error) {
	if len(r.words) == 0 {
		return "", errors.New("needs an argument")
	}
	w := r.words[0]
	r.words = r.words[1:]
	return w, nil
}

func (r *rule) text(unmarshal func([]byte) error) error {
	w, err := r.argument()
	if err != nil {
		return err
	}
	return unmarshal([]byte(w))
}

func number[T ~uint16 | ~uint32](r *rule, bits int) (T, error) {
	w, err := r.argument()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(w, 10, bits)
	if err != nil {
		return 0, fmt.Errorf("%q: want a number from 0 to %d", w, uint64(1)<<bits-1)
	}
	return T(n), nil
}
