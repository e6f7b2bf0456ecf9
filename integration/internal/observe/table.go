package observe

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
)

// Table is a kernel table as rules of ipvsadm ("-A -t 10.9.0.100:80 -s rr"), sorted. Connection counts are no part of it.
type Table []string

// TableChange is a table that differs from the one before it.
type TableChange struct {
	At    mono.Time `json:"at"`
	Host  string    `json:"host"`
	Table Table     `json:"table"`
}

// tablePeriod is how often a table is read: IPVS tells nobody when it changes.
const tablePeriod = 20 * time.Millisecond

// WatchTable records the changes of a host's table until stop is closed.
func WatchTable(h *netlab.Host, tape *Tape[TableChange], stop <-chan struct{}) {
	go func() {
		_ = h.Do(func() error {
			buf := make([]byte, 1<<16)
			var last Table
			first := true
			every(tablePeriod, stop, func() {
				n, err := readInto("/proc/thread-self/net/ip_vs", buf)
				if err != nil {
					return
				}
				table, err := ParseTable(buf[:n])
				if err != nil || !first && slices.Equal(table, last) {
					return
				}
				now := mono.Now()
				last, first = table, false
				tape.add(now, TableChange{At: now, Host: h.Name, Table: table})
			})
			return nil
		})
	}()
}

func readInto(path string, buf []byte) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	total := 0
	for total < len(buf) {
		n, err := f.Read(buf[total:])
		total += n
		if err != nil || n == 0 {
			break
		}
	}
	return total, nil
}

// forwards translates the words of /proc/net/ip_vs into ipvsadm's letters.
var forwards = map[string]string{"Route": "-g", "Masq": "-m", "Tunnel": "-i", "Local": "-g"}

// ParseTable reads the text of /proc/net/ip_vs, which has services as
//
//	TCP  0A090064:0050 rr
//	FWM  0000000A sh persistent 30000 FFFFFFFF
//
// each followed by its servers as
//
//	-> 0A090003:0050      Route   1      0          0
func ParseTable(text []byte) (Table, error) {
	table := Table{}
	service := ""
	for line := range bytes.Lines(text) {
		f := strings.Fields(string(line))
		switch {
		case len(f) < 2 || f[0] == "IP" || f[0] == "Prot" || f[0] == "->" && f[1] == "RemoteAddress:Port":
		case f[0] == "->":
			if len(f) < 4 || service == "" {
				return nil, fmt.Errorf("unknown server line: %q", line)
			}
			addr, err := endpoint(f[1])
			if err != nil {
				return nil, err
			}
			table = append(table, fmt.Sprintf("-a %s -r %s %s -w %s", service, addr, forwards[f[2]], f[3]))
		case len(f) < 3:
			return nil, fmt.Errorf("unknown service line: %q", line)
		default:
			key, err := serviceKey(f[0], f[1])
			if err != nil {
				return nil, err
			}
			service = key
			rule := "-A " + key + " -s " + f[2]
			if slices.Contains(f[3:], "ops") {
				rule += " -o"
			}
			if slices.Contains(f[3:], "persistent") {
				rule += " -p" // the timeout is in jiffies there: enough to see that it changed is to see the flag
			}
			table = append(table, rule)
		}
	}
	slices.Sort(table)
	return table, nil
}

// serviceKey is the part of a rule that names the service.
func serviceKey(protocol, address string) (string, error) {
	if protocol == "FWM" {
		mark, err := parseHex(address, 4)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("-f %d", be(mark)), nil
	}
	options := map[string]string{"TCP": "-t", "UDP": "-u", "SCTP": "--sctp-service"}
	option, ok := options[protocol]
	if !ok {
		return "", fmt.Errorf("unknown protocol %q", protocol)
	}
	addr, err := endpoint(address)
	return option + " " + addr, err
}

// endpoint reads "0A090064:0050".
func endpoint(text string) (string, error) {
	host, port, ok := strings.Cut(text, ":")
	if !ok {
		return "", fmt.Errorf("unknown address %q", text)
	}
	ip, err := parseHex(host, 4)
	if err != nil {
		return "", err
	}
	number, err := parseHex(port, 2)
	if err != nil {
		return "", err
	}
	addr, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(addr, uint16(be(number))).String(), nil
}

func parseHex(text string, size int) ([]byte, error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != size {
		return nil, fmt.Errorf("not %d bytes in hexadecimal: %q", size, text)
	}
	return b, nil
}

// be reads bytes as one number, the first the most significant.
func be(b []byte) (v uint32) {
	for _, x := range b {
		v = v<<8 | uint32(x)
	}
	return v
}

// Diff says how one table became another, rule by rule: "+ rule", "- rule".
func Diff(from, to Table) []string {
	var changes []string
	for _, rule := range from {
		if !slices.Contains(to, rule) {
			changes = append(changes, "- "+rule)
		}
	}
	for _, rule := range to {
		if !slices.Contains(from, rule) {
			changes = append(changes, "+ "+rule)
		}
	}
	return changes
}
