package keepalived

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// outcome is the lines of a result that say something, and the notes.
func outcome(r Result) string {
	var out []string
	for l := range strings.Lines(string(r.TOML)) {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	for _, n := range r.Notes {
		out = append(out, n.String())
	}
	return strings.Join(out, "\n")
}

// TestNoWordIsLost: words that nobody knows, after every line or in the place of its first word, are in the
// notes, or in the result, or the whole line is in the notes.
func TestNoWordIsLost(t *testing.T) {
	after := func(first, rest, word string) string { return first + rest + " " + word }
	instead := func(_, rest, word string) string { return word + rest }
	for _, name := range []string{"web.conf", "more.conf", "words.conf"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range []func(first, rest, word string) string{after, instead} {
			lines := strings.Split(string(text), "\n")
			first, block, begin := map[int]string{}, map[int]int{}, 0 // of the lines that are changed, and where their block begins
			for i, l := range lines {
				if strings.Contains(l, "{") {
					begin = i + 1
				}
				f := strings.Fields(l)
				if len(f) == 0 || strings.ContainsAny(l, "{}!#$@~") || strings.HasSuffix(l, `\`) || f[0] == "include" {
					continue
				}
				first[i], block[i] = f[0], begin
				_, rest, _ := strings.Cut(l, f[0])
				lines[i] = change(f[0], rest, fmt.Sprintf("unheard%dof", i))
			}
			r := Import(File{name, strings.Join(lines, "\n")}, nearby, parsed)
			got := outcome(r)
			for i, f := range first {
				told := func(n Note) bool {
					return n.Line == i+1 && strings.HasPrefix(n.Text, f) || n.Line == block[i] && strings.HasPrefix(n.Text, "left out: nothing uses")
				}
				if !strings.Contains(got, fmt.Sprintf("unheard%dof", i)) && !slices.ContainsFunc(r.Notes, told) {
					t.Errorf("%s:%d: %q is lost", name, i+1, strings.TrimSpace(lines[i]))
				}
			}
		}
	}
}

// TestDefinitionsThatAreNotUsed, and those that come twice, are told.
func TestDefinitionsThatAreNotUsed(t *testing.T) {
	r := Import(File{"k.conf", `vrrp_script a { script /usr/bin/env }
vrrp_track_process b { process x }
track_file c { file /run/c }
virtual_server_group d { 10.0.0.1 80 }
virtual_server_group e { 10.0.0.2 80 }
virtual_server_group e { 10.0.0.3 80 }
virtual_server group e { real_server 10.0.1.1 80 { } }
`}, nearby, parsed)
	want := `[[service]]
name = "10.0.0.2-80-tcp"
addresses = ["10.0.0.2:80"]
protocol = "tcp"
initial = "up"
[[service.server]]
address = "10.0.1.1:80"
k.conf:1: left out: nothing uses the vrrp_script "a"
k.conf:2: left out: nothing uses the vrrp_track_process "b"
k.conf:3: left out: nothing uses the track_file "c"
k.conf:4: left out: nothing uses the virtual_server_group "d"
k.conf:6: left out: virtual_server_group "e" is defined in k.conf:5 already`
	if diff := cmp.Diff(want, outcome(r)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestWords: what is a comment, a quote, and a definition of several lines, is what keepalived takes it for.
func TestWords(t *testing.T) {
	const instance = "vrrp_instance a {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress { 10.0.0.1/24 }\n"
	for _, c := range []struct{ name, text, want string }{
		{"a comment begins within a word", instance + "priority 90#0\n}", "priority = 90"},
		{"and within a password", instance + "authentication {\nauth_type PASS\nauth_pass ab!cd\n}\n}", `key = "ab"`},
		{"but not behind a backslash", instance + "authentication {\nauth_type PASS\nauth_pass ab\\!cd\n}\n}", `key = "ab!cd"`},
		{"nor in quotes", instance + "authentication {\nauth_type PASS\nauth_pass \"a # b\"\n}\n}", `key = "a # b"`},
		{"an apostrophe is no quote", instance + "authentication {\nauth_type PASS\nauth_pass it's\n}\n}", `key = "it's"`},
		{"a comment does not go on", instance + "# this ends with a \\\npriority 90\n}", "priority = 90"},
		{"a definition of lines is lines", "$more = \\\npriority 90 \\\nadvert_int 3\n" + instance + "$more\n}", "priority = 90\ninterval = \"3s\""},
		{"a definition keeps its quotes", "$c = \"/usr/bin/env x\"\n" + instance + "notify $c\n}", `command = ["/usr/bin/env", "x"]`},
		{"quotes within a command", instance + "notify \"/usr/bin/env 'x y' z\"\n}", `command = ["/usr/bin/env", "x y", "z"]`},
		{"whom a command runs as", instance + "notify /usr/bin/env nobody\n}", "command = [\"/usr/bin/env\"]\nuser = \"nobody\""},
	} {
		if got := outcome(Import(File{"k.conf", c.text}, nearby, parsed)); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q is not in\n%s", c.name, c.want, got)
		}
	}
}

// TestOneFaultGoesAlone: an address, a peer or a member that is refused does not take its instance with it.
func TestOneFaultGoesAlone(t *testing.T) {
	r := Import(File{"k.conf", `vrrp_sync_group g {
    group {
        a
        absent
    }
}
vrrp_instance a {
    interface eth0
    virtual_router_id 1
    virtual_ipaddress {
        fd00::1/64
        10.0.0.300
        fd00::1/64
    }
    unicast_peer {
        fd00::3
        nowhere
    }
}
`}, nearby, parsed)
	want := `[[vrrp_group]]
name = "g"
members = [
"a",
#   "absent",
]
[[vrrp]]
name = "a"
interface = "eth0"
id = 1
version = 3
addresses = [
"fd00::1/64",
#   "fd00::1/64",
]
extra_addresses = [
#   "10.0.0.300",
]
[vrrp.unicast]
peers = [
"fd00::3",
#   "nowhere",
]
k.conf:4: left out: members[1]: there is no vrrp instance "absent"
k.conf:12: left out: extra_addresses[0]: "10.0.0.300" is not an IP address, with or without a prefix length
k.conf:13: left out: addresses[1]: fd00::1 is already an address of instance "a"
k.conf:17: left out: peers[1]: "nowhere" is not an IP address`
	if diff := cmp.Diff(want, outcome(r)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestAddressesOfTheOtherFamily are held without being advertised, as keepalived does, from all blocks of an instance.
func TestAddressesOfTheOtherFamily(t *testing.T) {
	r := Import(File{"k.conf", `vrrp_instance a {
    interface eth0
    virtual_router_id 1
    virtual_ipaddress {
        10.0.0.1/24
        fd00::1/64
    }
    virtual_ipaddress_excluded {
        10.0.1.1/24
    }
    virtual_ipaddress {
        10.0.0.2/24
    }
}
`}, nearby, parsed)
	want := `[[vrrp]]
name = "a"
interface = "eth0"
id = 1
version = 2
addresses = [
"10.0.0.1/24",
"10.0.0.2/24",
]
extra_addresses = [
"fd00::1/64",
"10.0.1.1/24",
]`
	if diff := cmp.Diff(want, outcome(r)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestTheOppositeIsNotWritten: where the opposite of a condition has no equivalent, the condition goes as well.
func TestTheOppositeIsNotWritten(t *testing.T) {
	r := Import(File{"k.conf", `vrrp_script busy {
    script /usr/bin/env
    weight 5 reverse
}
vrrp_instance a {
    interface eth0
    virtual_router_id 1
    virtual_ipaddress { 10.0.0.1/24 }
    track_script {
        busy
    }
    track_interface {
        eth1 weight 5 reverse
    }
}
virtual_server 10.0.0.1 80 {
    real_server 10.0.1.1 80 {
        HTTP_GET {
            url {
                path /
                regex closed
                regex_no_match
            }
        }
    }
}
`}, nearby, parsed)
	got := outcome(r)
	for _, not := range []string{"[[vrrp.track]]", "regex ="} {
		if strings.Contains(got, not) {
			t.Errorf("%q is in\n%s", not, got)
		}
	}
	for _, note := range []string{"k.conf:10: left out: the track busy: reverse", "k.conf:13: left out: the track eth1: reverse", "k.conf:21: regex: left out"} {
		if !strings.Contains(got, note) {
			t.Errorf("%q is not in\n%s", note, got)
		}
	}
}

// TestDefaultsAreWritten: those of a check by its type, and of a script.
func TestDefaultsAreWritten(t *testing.T) {
	for _, c := range []struct{ check, want string }{
		{"TCP_CHECK { }", "type = \"tcp\"\ninterval = \"1m\"\ntimeout = \"5s\"\nfast_interval = \"1s\"\nrise = 1\nfall = 2"},
		{"HTTP_GET { }", "type = \"http\"\ninterval = \"1m\"\ntimeout = \"5s\"\nfast_interval = \"3s\"\nrise = 1\nfall = 2"},
		{"DNS_CHECK { }", "type = \"dns\"\nquery_type = \"SOA\"\nname = \".\"\ninterval = \"1m\"\ntimeout = \"5s\"\nrise = 1\nfall = 4"},
		{"UDP_CHECK { }", "type = \"udp\"\nsend = \"\"\nrequire_reply = false\ninterval = \"1m\"\ntimeout = \"5s\"\nfast_interval = \"1s\"\nrise = 1\nfall = 2"},
		{"MISC_CHECK {\nmisc_path /usr/bin/env\n}", "# interval = \"1m\"\n# timeout = \"1m\"\n# rise = 1\n# fall = 1"},
		{"PING_CHECK {\nretry 0\n}", "type = \"icmp\"\ninterval = \"1m\"\ntimeout = \"5s\"\nrise = 1\nfall = 1"},
	} {
		text := "virtual_server 10.0.0.1 53 {\nprotocol UDP\nreal_server 10.0.1.1 53 {\n" + c.check + "\n}\n}"
		if got := outcome(Import(File{"k.conf", text}, nearby, parsed)); !strings.Contains(got, c.want) {
			t.Errorf("%s: not in it:\n%s\nbut\n%s", c.check, c.want, got)
		}
	}
}

// TestDefinitionsOfDefinitions: what names others a thousand times over grows so far and no further, and that is told once.
func TestDefinitionsOfDefinitions(t *testing.T) {
	text := "$A = " + strings.Repeat("a", 4000) + "\n$B = " + strings.Repeat("$A ", 1300) + "\n$C = " + strings.Repeat("$B ", 1300) + "\nrouter_id $C\n$D = web\nglobal_defs {\nrouter_id $D\n}\n"
	root, notes := parse(File{"k.conf", text}, nearby)
	size := 0
	for _, s := range root.block {
		for _, w := range s.words {
			size += len(w)
		}
	}
	told := 0
	for _, n := range notes {
		if strings.HasPrefix(n.Text, "$B, and all that follow, stay as they are") {
			told++
		}
	}
	if size > 2*maxExpanded || told != 1 {
		t.Errorf("%d bytes of words, told %d times: %v", size, told, notes)
	}
}
