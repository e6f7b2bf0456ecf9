package config_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/config"
)

const before = `
[global]
name = "lb1"
metrics = ":9112"

[[vrrp]]
name = "web"
interface = "eth0"
id = 51
version = 2
priority = 150
auth = { type = "pass", key = "secret12" }
addresses = ["10.9.0.100/32"]

[[vrrp]]
name = "inside"
interface = "eth1"
id = 52
addresses = ["10.10.0.1/24"]

[[vrrp_group]]
name = "both"
members = ["web", "inside"]

[[service]]
name = "www"
address = "10.9.0.100:80"
persistence = { timeout = "5m" }
[service.check]
type = "http"
[[service.server]]
address = "10.9.0.3:80"
weight = 2
[[service.server]]
address = "10.9.0.4:80"

[[service]]
name = "dns"
address = "10.9.0.100:53"
protocol = "udp"
[[service.server]]
address = "10.9.0.3:53"
`

// TestCompare renders what each edit of one configuration means.
func TestCompare(t *testing.T) {
	for _, c := range []struct {
		name string
		edit []string // old, new, old, new …
		want string
	}{
		{"nothing", nil, ""},
		{"order", []string{`id = 51
version = 2`, `version = 2 # first
id = 51`}, ""},
		{"global", []string{`":9112"`, `"127.0.0.1:9112"`, `name = "lb1"`, "name = \"lb1\"\nlog.level = \"debug\""}, `
~ global: metrics :9112 → 127.0.0.1:9112 (needs a restart)
~ global: log.level INFO → DEBUG
`},
		{"sync", []string{`name = "lb1"`, "name = \"lb1\"\nipvs.sync = { interface = \"eth1\", id = 5 }"}, `
~ global: ipvs.sync + interface eth1, id 5
`},
		{"priority", []string{"priority = 150", "priority = 100"}, `
~ instance web: priority 150 → 100
`},
		{"hmac", []string{"version = 2\n", "", `auth = { type = "pass", key = "secret12" }`, `auth = { type = "hmac", key = "0123456789abcdef0123456789abcdef" }`}, `
~ instance web: version 2 → 3 (another virtual router: it starts anew)
~ instance web: checksum "" → pseudo-header
~ instance web: auth.type pass → hmac
~ instance web: auth.key - (secret)
~ instance web: auth.key + id 1, key (secret)
~ instance web: auth.active 0 → 1
~ instance web: auth.mode "" → enforce
~ instance web: auth.replay "" → time
~ instance web: auth.window 0s → 5s
`},
		{"routes", []string{"[[vrrp_group]]", "[[vrrp.route]]\ndestination = \"default\"\nvia = \"10.10.0.254\"\n[[vrrp.rule]]\nfrom = \"10.10.0.1\"\ntable = 100\npriority = 100\n[[vrrp_group]]"}, `
~ instance inside: routes [] → [0.0.0.0/0 via 10.10.0.254 dev eth1]
~ instance inside: rules [] → [from 10.10.0.1/32 table 100 priority 100]
`},
		{"virtual router", []string{"id = 51", "id = 53", `"eth1"`, `"eth2"`}, `
~ instance web: id 51 → 53 (another virtual router: it starts anew)
~ instance inside: interface eth1 → eth2 (another virtual router: it starts anew)
~ instance inside: addresses [10.10.0.1/24 dev eth1] → [10.10.0.1/24 dev eth2]
`},
		{"secret", []string{"secret12", "secret34"}, `
~ instance web: auth.key changed
`},
		{"no secret", []string{`"pass", key = "secret12"`, `"none"`}, `
~ instance web: auth.type pass → none
~ instance web: auth.key - (secret)
`},
		{"address", []string{`"10.9.0.100/32"`, `"10.9.0.100/32", "10.9.0.101"`}, `
~ instance web: addresses [10.9.0.100/32 dev eth0] → [10.9.0.100/32 dev eth0, 10.9.0.101/32 dev eth0]
`},
		{"track", []string{`addresses = ["10.9`, `track = [{ interface = "eth1", weight = -20 }]
addresses = ["10.9`}, `
~ instance web: track + kind interface, target eth1, weight -20
`},
		{"unicast", []string{`addresses = ["10.9`, `unicast = { peers = ["10.9.0.2"] }
addresses = ["10.9`}, `
~ instance web: unicast + peers [10.9.0.2]
`},
		{"renamed instance", []string{`name = "web"`, `name = "edge"`, `["web", "inside"]`, `["edge", "inside"]`}, `
- instance web
+ instance edge: virtual router 51 on eth0, priority 150, [10.9.0.100/32 dev eth0]
~ vrrp_group both: members [web, inside] → [edge, inside]
`},
		{"group", []string{`"both"`, `"all"`}, `
- vrrp_group both
+ vrrp_group all: [web, inside]
`},
		{"weight", []string{"weight = 2", "weight = 4"}, `
~ service www: server 10.9.0.3:80 weight 2 → 4
`},
		{"server", []string{`address = "10.9.0.4:80"`, "address = \"10.9.0.5:80\"\nweight = 3"}, `
- service www: server 10.9.0.4:80
+ service www: server 10.9.0.5:80 weight 3
`},
		{"server settings", []string{`address = "10.9.0.4:80"`, "address = \"10.9.0.4:80\"\nbackup = true\nmax_connections = 10\ncheck = { port = 8080 }"}, `
~ service www: server 10.9.0.4:80 max_connections 0 → 10
~ service www: server 10.9.0.4:80 backup false → true
~ service www: server 10.9.0.4:80 check + type http, port 8080, interval 2s, timeout 1s, rise 2, fall 3, method GET, path /, status [200-299]
`},
		{"server without check", []string{`address = "10.9.0.4:80"`, "address = \"10.9.0.4:80\"\nchecks = []"}, `
~ service www: server 10.9.0.4:80 checks inherited → none
`},
		{"check", []string{`type = "http"`, "type = \"http\"\npath = \"/healthz\"\ninterval = \"5s\""}, `
~ service www: check.interval 2s → 5s
~ service www: check.path / → /healthz
`},
		{"second check", []string{`[service.check]
type = "http"`, `[[service.checks]]
type = "http"
[[service.checks]]
type = "tcp"`}, `
~ service www: checks[1] + type tcp, interval 2s, timeout 1s, rise 2, fall 3
`},
		{"no check", []string{`[service.check]
type = "http"
`, ""}, `
~ service www: check - type http, interval 2s, timeout 1s, rise 2, fall 3, method GET, path /, status [200-299]
`},
		{"service settings", []string{`{ timeout = "5m" }`, `{ timeout = "90s", netmask = 24 }
scheduler = "sh"
scheduler_flags = ["sh-port"]
panic_threshold = 0.5
drain_timeout = "1h"
on_fail = "quiesce"`}, `
~ service www: scheduler wlc → sh
~ service www: scheduler_flags [] → [sh-port]
~ service www: persistence.timeout 5m → 1m30s
~ service www: persistence.netmask 32 → 24
~ service www: panic_threshold 0 → 0.5
~ service www: on_fail remove → quiesce
~ service www: drain_timeout 5m → 1h
`},
		{"no persistence", []string{`persistence = { timeout = "5m" }`, ""}, `
~ service www: persistence - timeout 5m, netmask 32
`},
		{"keys", []string{`address = "10.9.0.100:80"`, `addresses = ["10.9.0.100:80", "10.9.0.100:443"]`}, `
~ service www: keys [tcp/10.9.0.100:80] → [tcp/10.9.0.100:80, tcp/10.9.0.100:443]
`},
		{"service", []string{`"dns"`, `"ns"`}, `
- service dns
+ service ns: [udp/10.9.0.100:53], servers [10.9.0.3:53]
`},
		{"large service", []string{`[[service]]
name = "dns"`, `[[service]]
name = "large"
address = "10.9.0.100-107:8080"
server = [{ address = "10.9.1.1:80" }]
[[service]]
name = "dns"`}, `
+ service large: [tcp/10.9.0.100:8080, tcp/10.9.0.101:8080, tcp/10.9.0.102:8080, tcp/10.9.0.103:8080, tcp/10.9.0.104:8080, tcp/10.9.0.105:8080] and 2 more, servers [10.9.1.1:80]
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := before
			for i := 0; i < len(c.edit); i += 2 {
				if !strings.Contains(text, c.edit[i]) {
					t.Fatalf("nothing to edit: %s", c.edit[i])
				}
				text = strings.Replace(text, c.edit[i], c.edit[i+1], 1)
			}
			old, edited := parse(t, before), parse(t, text)
			plan := config.Compare(old, edited)
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), plan.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if plan.Empty() != (c.want == "") {
				t.Errorf("Empty = %v", plan.Empty())
			}
			if plan.Empty() != (old.Hash == edited.Hash) {
				t.Errorf("an empty plan and an equal hash are the same thing: %v, %v", plan.Empty(), old.Hash == edited.Hash)
			}
			if back := config.Compare(edited, old); back.Empty() != plan.Empty() {
				t.Errorf("the way back is %q", back)
			}
			if again := config.Compare(edited, edited); !again.Empty() {
				t.Errorf("compared with itself: %s", again)
			}
		})
	}
}

// TestPlanJSON is what a program reads of a plan.
func TestPlanJSON(t *testing.T) {
	old := parse(t, before)
	edited := parse(t, strings.NewReplacer("weight = 2", "weight = 4", "id = 51", "id = 53", ":9112", ":9113", `"dns"`, `"ns"`, "secret12", "secret34").Replace(before))
	config.Golden(t, "testdata/plan.json.golden", indent(t, config.Compare(old, edited)))
	if text, err := json.Marshal(config.Compare(old, old)); err != nil || string(text) != "{}" {
		t.Errorf("an empty plan is %s, %v", text, err)
	}
}

// TestCAFile holds that a changed certificate file is a changed configuration.
func TestCAFile(t *testing.T) {
	dir := t.TempDir()
	text := "[[service]]\nname = \"www\"\naddress = \"10.9.0.100:443\"\n[[service.server]]\naddress = \"10.9.0.3:443\"\n" +
		"[service.check]\ntype = \"https\"\ntls = { ca_file = \"ca.pem\" }\n"
	file, ca := filepath.Join(dir, "lbha.toml"), filepath.Join(dir, "ca.pem")
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file, text)
	pem, err := os.ReadFile("testdata/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	write(ca, string(pem))
	first := load(t, file)
	write(ca, string(pem)+string(pem))
	second := load(t, file)
	if got := first.Services[0].Checks[0].TLS.CAFile; got != ca {
		t.Errorf("CAFile = %s, want the path as seen from anywhere", got)
	}
	if plan := config.Compare(first, second); first.Hash == second.Hash || len(plan.Services) != 1 ||
		len(plan.Services[0].Fields) != 1 || plan.Services[0].Fields[0].Name != "check.tls.ca_sum" {
		t.Errorf("hashes %s, %s; plan:\n%s", first.Hash, second.Hash, plan)
	}
}
