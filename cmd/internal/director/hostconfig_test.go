package director

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/lbha/lbha/config"
)

// router is the instance that the played elector holds.
const router = `[[vrrp]]
name = "web"
interface = "eth0"
id = 51
addresses = ["10.9.0.100/32"]
`

// global is the first table of a configuration; more lines of it, or of its tables, may follow.
func (h *host) global(name string) string {
	return fmt.Sprintf("[global]\nname = %q\ncontrol = %q\nstate_dir = %q\n", name, h.control(), h.dir)
}

// serverTables are servers of the service before them.
func serverTables(addresses ...string) string {
	var b strings.Builder
	for _, a := range addresses {
		fmt.Fprintf(&b, "[[service.server]]\naddress = %q\n", a)
	}
	return b.String()
}

// addresses are those of servers.
func addresses(servers ...net.Listener) (all []string) {
	for _, s := range servers {
		all = append(all, s.Addr().String())
	}
	return all
}

// write makes the configuration: one instance, one service with a tcp check, these servers.
func (h *host) write(servers ...net.Listener) {
	h.t.Helper()
	h.writeText(h.global("lb1") + router + `[[service]]
name = "www"
address = "10.9.0.100:80"
scheduler = "rr"
forward = "nat"
[service.check]
type = "tcp"
interval = "100ms"
timeout = "80ms"
rise = 1
fall = 2
` + serverTables(addresses(servers...)...))
}

func (h *host) writeText(text string) {
	h.t.Helper()
	if err := os.WriteFile(h.path(), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// text is the configuration as it is written.
func (h *host) text() string {
	h.t.Helper()
	text, err := os.ReadFile(h.path())
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

// edit writes the first old of the configuration anew.
func (h *host) edit(old, new string) {
	h.t.Helper()
	before, after, ok := strings.Cut(h.text(), old)
	if !ok {
		h.t.Fatalf("the configuration has no %q", old)
	}
	h.writeText(before + new + after)
}

// extendRouter writes more of the instance: it ends where the services begin.
func (h *host) extendRouter(text string) {
	h.t.Helper()
	h.edit("[[service]]", text+"\n[[service]]")
}

// parse is the configuration that a text is.
func parse(t testing.TB, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("text", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
