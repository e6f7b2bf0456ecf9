package ipvs

import (
	"encoding"
	"encoding/json"
	"fmt"
	"testing"
)

type scalar interface {
	encoding.TextUnmarshaler
	fmt.Stringer
}

// scalarOf returns a fresh value of each type that has a text form.
func scalarsOf() map[string]scalar {
	return map[string]scalar{
		"protocol": new(Protocol), "family": new(Family), "forward": new(Forward), "tunnel type": new(TunnelType),
		"tunnel checksum": new(TunnelChecksum), "verdict": new(Verdict), "on_fail": new(OnFail), "weight": new(Weight),
		"scheduler": new(Scheduler), "flag": new(Flag), "netmask": new(Netmask), "key": new(Key), "action": new(Action),
		"override": new(OverrideMode), "role": new(Role),
	}
}

func TestScalars(t *testing.T) {
	for _, tt := range []struct {
		kind string
		good []string
		bad  map[string]string
	}{
		{"protocol", []string{"tcp", "udp", "sctp"}, map[string]string{"TCP": `protocol "TCP": want tcp, udp or sctp`, "": `protocol "": want tcp, udp or sctp`}},
		{"family", []string{"ipv4", "ipv6"}, map[string]string{"inet": `family "inet": want ipv4 or ipv6`}},
		{"forward", []string{"nat", "dr", "tun"}, map[string]string{"masq": `forwarding method "masq": want nat, dr or tun`}},
		{"tunnel type", []string{"ipip", "gue", "gre"}, map[string]string{"vxlan": `tunnel type "vxlan": want ipip, gue or gre`}},
		{"tunnel checksum", []string{"none", "full", "remote"}, map[string]string{"x": `tunnel checksum "x": want none, full or remote`}},
		{"verdict", []string{"unknown", "up", "down"}, map[string]string{"x": `verdict "x": want unknown, up or down`}},
		{"on_fail", []string{"remove", "quiesce"}, map[string]string{"keep": `on_fail "keep": want remove or quiesce`}},
		{"override", []string{"none", "drain", "disable", "weight"}, map[string]string{"x": `override "x": want none, drain, disable or weight`}},
		{"role", []string{"master", "backup"}, map[string]string{"x": `sync role "x": want master or backup`}},
		{"weight", []string{"0", "1", "65535"}, map[string]string{
			"65536": `weight "65536": want a whole number from 0 to 65535`, "-1": `weight "-1": want a whole number from 0 to 65535`,
			"1.5": `weight "1.5": want a whole number from 0 to 65535`}},
		{"scheduler", []string{"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf", "twos"},
			map[string]string{"none": `scheduler "none": want rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf or twos`}},
		{"flag", []string{"sh-port", "sh-fallback", "mh-port", "mh-fallback", "flag-1", "flag-2", "flag-3"},
			map[string]string{"port": `scheduler flag "port": want sh-port, sh-fallback, mh-port, mh-fallback, flag-1, flag-2 or flag-3`}},
		{"netmask", []string{"255.255.255.255", "255.0.255.0", "0.0.0.0", "1", "128"}, map[string]string{
			"/24": `netmask "/24": want a mask as 255.255.255.0, or a prefix length from 1 to 128 for IPv6`}},
		{"key", []string{"tcp/10.9.0.100:80", "udp/[2001:db8::1]:53", "sctp/10.0.0.1:0", "fwmark/10/ipv4", "fwmark/4294967295/ipv6"}, map[string]string{
			"tcp:10.0.0.1:80":      `service key "tcp:10.0.0.1:80": no slash; want PROTOCOL/ADDRESS:PORT or fwmark/MARK[/FAMILY]`,
			"icmp/10.0.0.1:80":     `service key "icmp/10.0.0.1:80": protocol "icmp": want tcp, udp or sctp; want PROTOCOL/ADDRESS:PORT or fwmark/MARK[/FAMILY]`,
			"tcp/[fe80::1%eth0]:8": `service key "tcp/[fe80::1%eth0]:8": an address with a zone; want PROTOCOL/ADDRESS:PORT or fwmark/MARK[/FAMILY]`,
			"fwmark/0":             `service key "fwmark/0": the mark is not a number from 1 to 4294967295; want PROTOCOL/ADDRESS:PORT or fwmark/MARK[/FAMILY]`,
			"fwmark/1/ip":          `service key "fwmark/1/ip": family "ip": want ipv4 or ipv6; want PROTOCOL/ADDRESS:PORT or fwmark/MARK[/FAMILY]`,
		}},
		{"action", []string{"add-service", "edit-service", "delete-service", "add-server", "edit-server", "delete-server"}, map[string]string{
			"add": `action "add": want add-service, edit-service, delete-service, add-server, edit-server or delete-server`}},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			for _, text := range tt.good {
				v := scalarsOf()[tt.kind]
				if err := v.UnmarshalText([]byte(text)); err != nil || v.String() != text {
					t.Errorf("%q reads as %q, %v", text, v, err)
				}
				raw, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				again := scalarsOf()[tt.kind]
				if err := json.Unmarshal(raw, again); err != nil || again.String() != text {
					t.Errorf("%q in JSON: %s, which reads as %q, %v", text, raw, again, err)
				}
			}
			for text, want := range tt.bad {
				v := scalarsOf()[tt.kind]
				if err := v.UnmarshalText([]byte(text)); err == nil || err.Error() != want {
					t.Errorf("%q:\n got %v\nwant %s", text, err, want)
				}
			}
		})
	}
}

// TestWeightJSON checks that a weight is a number there, and as large as the
// kernel allows.
func TestWeightJSON(t *testing.T) {
	raw, err := json.Marshal(Server{Weight: MaxWeight})
	var back Server
	if err2 := json.Unmarshal([]byte(`{"weight":2147483647}`), &back); err != nil || err2 != nil || back.Weight != MaxWeight {
		t.Errorf("%s, %v; %v, %v", raw, err, back.Weight, err2)
	}
	if err := json.Unmarshal([]byte(`{"weight":2147483648}`), &back); err == nil {
		t.Error("a weight above the kernel's limit was accepted")
	}
}

func TestParseKeyDefaultFamily(t *testing.T) {
	if k, err := ParseKey("fwmark/7"); err != nil || k != MarkKey(7, IPv4) {
		t.Errorf("fwmark/7: %v, %v", k, err)
	}
	if k, err := ParseKey("tcp/[::ffff:10.0.0.1]:80"); err != nil || k.String() != "tcp/10.0.0.1:80" {
		t.Errorf("an IPv4 address in IPv6: %v, %v", k, err)
	}
}

func TestNetmask(t *testing.T) {
	for _, tt := range []struct {
		family Family
		length int
		want   string
	}{
		{IPv4, 32, "255.255.255.255"}, {IPv4, 24, "255.255.255.0"}, {IPv4, 0, "0.0.0.0"}, {IPv6, 128, "128"}, {IPv6, 1, "1"},
	} {
		m, err := NewNetmask(tt.family, tt.length)
		n, ok := m.Length(tt.family)
		if err != nil || m.String() != tt.want || n != tt.length || !ok {
			t.Errorf("%s/%d: %s, length %d %v, %v", tt.family, tt.length, m, n, ok, err)
		}
	}
	for _, bad := range []struct {
		family Family
		length int
	}{{IPv4, 33}, {IPv4, -1}, {IPv6, 0}, {IPv6, 129}} {
		if m, err := NewNetmask(bad.family, bad.length); err == nil {
			t.Errorf("%s/%d is %s", bad.family, bad.length, m)
		}
	}
	if _, ok := Netmask(0xff00ff00).Length(IPv4); ok {
		t.Error("a mask with holes has a length")
	}
}

func FuzzScalars(f *testing.F) {
	for _, s := range []string{"tcp", "ipv6", "tun", "gue", "wlc", "sh-port", "65535", "255.255.255.0", "64", "tcp/[2001:db8::1]:80", "fwmark/10/ipv4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for kind, v := range scalarsOf() {
			if v.UnmarshalText([]byte(text)) != nil {
				continue
			}
			again := scalarsOf()[kind]
			if err := again.UnmarshalText([]byte(v.String())); err != nil || again.String() != v.String() {
				t.Errorf("%s %q reads as %q, and that as %q, %v", kind, text, v, again, err)
			}
		}
	})
}
