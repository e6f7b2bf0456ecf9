package ipvsctl

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/lbha/lbha/ipvs"
)

// Restoration says how rules become the table.
type Restoration struct {
	Merge  bool // leave alone the services, and servers, that the rules do not name; else they are deleted
	DryRun bool // find out, and do nothing
}

// ErrNoRules refuses to empty a table by accident: "ipvsadm -Sn | lbha ipvs restore" reads nothing if ipvsadm fails.
var ErrNoRules = errors.New("no rules in the input: nothing is changed (\"lbha ipvs clear\" empties the table)")

// Restore reads the rules in the text, to its end, and makes them the kernel's table, in one difference whose order keeps pools
// from being empty. An error in any line changes nothing. What the kernel refuses is in the result, with the line of its rule;
// the other ops took effect.
func Restore(ctx context.Context, k Kernel, text string, ports Ports, o Restoration) (Result, error) {
	text = unsignMarks(text)
	want, err := ipvs.ParseRules(text, ports)
	if err != nil {
		return Result{}, fmt.Errorf("the rules have errors, nothing is changed:\n%w", err)
	}
	snap, err := k.List(ctx)
	if err != nil {
		return Result{}, err
	}
	have := snap.Table
	if len(want) == 0 && len(have) > 0 && !o.Merge {
		return Result{}, ErrNoRules
	}
	if o.Merge {
		want = merge(want, have)
	}
	ops := ipvs.Diff(want, have)
	if o.DryRun {
		return Result{Operations: append([]ipvs.Op{}, ops...), DryRun: true}, nil
	}
	r, err := Carry(ctx, k, ops)
	if len(r.Refused) > 0 {
		lines := ruleLines(text, ports)
		for i, x := range r.Refused {
			r.Refused[i].Line = lines[ruleOf(x.Operation)]
		}
	}
	return r, err
}

var signedMark = regexp.MustCompile(`(?m)(?:^|\s)(?:-f|--fwmark-service)[ \t]+(-[0-9]+)(?:\s|$)`)

// unsignMarks writes firewall marks as the numbers that they are: "ipvsadm -S" prints those from 2147483648 on as negative ones.
func unsignMarks(text string) string {
	var b strings.Builder
	done := 0
	for _, m := range signedMark.FindAllStringSubmatchIndex(text, -1) {
		start, end := m[2], m[3]
		mark, err := strconv.ParseInt(text[start:end], 10, 32)
		if err != nil {
			continue // an error of the rule
		}
		b.WriteString(text[done:start])
		b.WriteString(strconv.FormatUint(uint64(uint32(mark)), 10))
		done = end
	}
	b.WriteString(text[done:])
	return b.String()
}

// merge returns the table have with what rules name as they say.
func merge(rules, have ipvs.Table) ipvs.Table {
	merged := have.Clone()
	for k, p := range rules {
		// Of two servers with one address the first counts.
		merged[k] = ipvs.NewTable(ipvs.Pool{Service: p.Service, Servers: append(p.Servers, have[k].Servers...)})[k]
	}
	return merged
}

// object is what a rule makes: a service, or one of its servers.
type object struct {
	service ipvs.Key
	server  netip.AddrPort // not valid: the service
}

// ruleOf returns the object of an op. The rule that names it is why the op is there, unless that is a deletion.
func ruleOf(op ipvs.Op) object {
	o := object{service: op.Key()}
	switch op.Action {
	case ipvs.AddServer, ipvs.EditServer:
		o.server = op.Server.Addr
	case ipvs.DeleteService, ipvs.DeleteServer:
		return object{}
	}
	return o
}

// ruleLines finds the line of each rule. The text is one that ipvs.ParseRules has read. That returns a table, which has
// forgotten the lines, so each line is read once more by itself; a server's needs a line with its service before it.
func ruleLines(text string, ports Ports) map[object]int {
	lines := map[object]int{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		table, err := ipvs.ParseRules(line, ports)
		if err == nil {
			for k := range table {
				lines[object{service: k}] = number
			}
			continue
		}
		table, err = ipvs.ParseRules("-A "+serviceWords(line)+"\n"+line, ports)
		if err != nil {
			continue
		}
		for k, p := range table {
			for _, s := range p.Servers {
				lines[object{k, s.Addr}] = number
			}
		}
	}
	return lines
}

// serviceWords returns the words of a rule that name its service.
func serviceWords(line string) string {
	var picked []string
	words := strings.Fields(line)
	for i, w := range words {
		switch w {
		case "-6", "--ipv6":
			picked = append(picked, w)
		case "-t", "--tcp-service", "-u", "--udp-service", "--sctp-service", "-f", "--fwmark-service":
			picked = append(picked, words[i:min(i+2, len(words))]...)
		}
	}
	return strings.Join(picked, " ")
}

// Clear deletes all services, whoever made them, and returns what there was.
func Clear(ctx context.Context, k Kernel) (ipvs.Table, error) {
	snap, err := k.List(ctx)
	if err != nil {
		return nil, err
	}
	return snap.Table, k.Flush(ctx)
}

// Zero sets the counters of the services, or of all without keys, to 0, and returns whose.
func Zero(ctx context.Context, k Kernel, keys []ipvs.Key) ([]ipvs.Key, error) {
	snap, err := k.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if _, ok := snap.Table[key]; !ok {
			return nil, noService(snap.Table, key)
		}
	}
	if len(keys) == 0 {
		return append([]ipvs.Key{}, snap.Table.Keys()...), k.Zero(ctx, ipvs.Key{})
	}
	for _, key := range keys {
		if err := k.Zero(ctx, key); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return keys, nil
}

// Size says how large a table is: "2 services with 7 servers".
func Size(t ipvs.Table) string {
	servers := 0
	for _, p := range t {
		servers += len(p.Servers)
	}
	return fmt.Sprintf("%s with %s", plural(len(t), "service"), plural(servers, "server"))
}
