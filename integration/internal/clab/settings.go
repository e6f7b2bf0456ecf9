package clab

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/observe"
)

// settings are what a scenario may change of a director's configuration. All else is the example's.
type settings struct {
	priority int
	interval time.Duration
	servers  []string // rs1, rs2, rs3
	append   string
}

// endpoint is a real server's, as the example numbers them: rs1 is 10.9.0.3.
func endpoint(server string) string { return fmt.Sprintf("10.9.0.%d:80", server[2]-'0'+2) }

// firstServer begins what the example says of its real servers, which is its end.
const firstServer = "[[service.server]]\n"

// text is a director's configuration of the example with other settings.
func (p *Place) text(i int, s settings) string {
	head, _, _ := strings.Cut(p.original[i], firstServer)
	var b strings.Builder
	for line := range strings.Lines(head) {
		if strings.HasPrefix(line, "priority = ") {
			line = fmt.Sprintf("priority = %d\ninterval = %q\n", s.priority, s.interval)
		}
		b.WriteString(line)
	}
	for _, server := range s.servers {
		fmt.Fprintf(&b, "%saddress = %q\n", firstServer, endpoint(server))
	}
	return b.String() + s.append
}

// write writes a director's configuration, whatever is in its place.
func (p *Place) write(i int, text string) error {
	if err := os.RemoveAll(p.config(i)); err != nil {
		return err
	}
	return os.WriteFile(p.config(i), []byte(text), 0o644)
}

// missing says how a table differs from the one that the settings give. What was appended to a configuration may add to it.
func (s settings) missing(table observe.Table) []string {
	key := "-t " + netlab.VIP.String() + ":80"
	whole := observe.Table{"-A " + key + " -s rr"}
	for _, server := range s.servers {
		whole = append(whole, "-a "+key+" -r "+endpoint(server)+" -g -w 1")
	}
	diff := observe.Diff(whole, table)
	if s.append == "" {
		return diff
	}
	return slices.DeleteFunc(diff, func(rule string) bool { return strings.HasPrefix(rule, "+ ") })
}
