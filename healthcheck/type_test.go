package healthcheck

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestScalars shows, for each text, what it parses to or what is wrong with it.
func TestScalars(t *testing.T) {
	parse := func(kind, text string) string {
		var err error
		var got fmt.Stringer
		switch kind {
		case "type":
			var v Type
			err = v.UnmarshalText([]byte(text))
			return render(string(v), err)
		case "status":
			var v StatusRange
			err, got = v.UnmarshalText([]byte(text)), &v
		case "verdict":
			var v Verdict
			err, got = v.UnmarshalText([]byte(text)), &v
		case "payload":
			var v Payload
			err, got = v.UnmarshalText([]byte(text)), &v
		}
		return render(fmt.Sprint(got), err)
	}
	var got strings.Builder
	for _, line := range []string{
		"type tcp", "type https", "type htpps", "type postgres", "type HTTP", "type quake", "type ",
		"status 204", "status 200-299", "status 299-200", "status 99", "status 600", "status 200-", "status +20", "status 200-299-300",
		"verdict up", "verdict unknown", "verdict donw",
		"payload PING\r\n", "payload ping", "payload hex:", "payload hex:50 49 4e47", "payload hex:00ff", "payload hex:0", "payload hex:6865783a", "payload " + strings.Repeat("o", 1025),
	} {
		kind, text, _ := strings.Cut(line, " ")
		fmt.Fprintf(&got, "%s: %s\n", line, parse(kind, text))
	}
	want := `type tcp: tcp
type https: https
type htpps: unknown check type "htpps": did you mean "https"?
type postgres: unknown check type "postgres": did you mean "postgresql"?
type HTTP: unknown check type "HTTP": did you mean "http"?
type quake: unknown check type "quake": want one of tcp, tls, http, https, grpc, dns, icmp, udp, smtp, ldap, redis, mysql, postgresql, imap, pop3, ftp, sip, radius, script, file, agent
type : unknown check type "": want one of tcp, tls, http, https, grpc, dns, icmp, udp, smtp, ldap, redis, mysql, postgresql, imap, pop3, ftp, sip, radius, script, file, agent
status 204: 204
status 200-299: 200-299
status 299-200: bad status range "299-200": 299 is above 200
status 99: bad status range "99": want a code from 100 to 599, or two such as 200-299
status 600: bad status range "600": want a code from 100 to 599, or two such as 200-299
status 200-: bad status range "200-": want a code from 100 to 599, or two such as 200-299
status +20: bad status range "+20": want a code from 100 to 599, or two such as 200-299
status 200-299-300: bad status range "200-299-300": want a code from 100 to 599, or two such as 200-299
verdict up: up
verdict unknown: unknown
verdict donw: unknown verdict "donw": did you mean "down"?
payload PING\r\n: hex:50494e470d0a
payload ping: ping
payload hex:: 
payload hex:50 49 4e47: PING
payload hex:00ff: hex:00ff
payload hex:0: "hex:0": want pairs of hexadecimal digits after hex:
payload hex:6865783a: hex:6865783a
payload LONG: "oooooooooooooooooooooooooooooooooooooooo": has 1025 bytes, at most 1024
`
	want = strings.NewReplacer(`PING\r\n`, "PING\r\n", "LONG", strings.Repeat("o", 1025)).Replace(want)
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func render(s string, err error) string {
	if err != nil {
		return err.Error()
	}
	return s
}

func TestStatusRangeContains(t *testing.T) {
	r := StatusRange{200, 299}
	for status, want := range map[int]bool{199: false, 200: true, 299: true, 300: false, -1: false, 65736: false} {
		if got := r.Contains(status); got != want {
			t.Errorf("%v.Contains(%d) = %v", r, status, got)
		}
	}
}

// FuzzScalars: what parses marshals to the same value; nothing panics.
func FuzzScalars(f *testing.F) {
	for _, s := range []string{"tcp", "200-299", "204", "up", "-", "\xff", "hex:0aFF", "hex:zz", strings.Repeat("x", 1000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var typ Type
		if err := typ.UnmarshalText([]byte(s)); err == nil && string(typ) != s {
			t.Errorf("type %q from %q", typ, s)
		}
		var r, again StatusRange
		if err := r.UnmarshalText([]byte(s)); err == nil {
			if r.First < 100 || r.Last > 599 || r.First > r.Last {
				t.Errorf("%q gives %d to %d", s, r.First, r.Last)
			}
			text, _ := r.MarshalText()
			if err := again.UnmarshalText(text); err != nil || again != r {
				t.Errorf("%q gives %v, again %v (%v)", s, r, again, err)
			}
		}
		var p, same Payload
		if err := p.UnmarshalText([]byte(s)); err == nil {
			text, _ := p.MarshalText()
			if err := same.UnmarshalText(text); err != nil || same != p {
				t.Errorf("%q gives %q, again %q (%v)", s, string(p), string(same), err)
			}
		}
	})
}

// TestDetailIsBoundedAndPrintable: a server writes into our log and onto the
// operator's terminal; it may do neither harm.
func TestDetailIsBoundedAndPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                  "plain",
		"é stays":                "é stays",
		"\x1b[2Jred\r\n\x00":     ".[2Jred...",
		"bad \xff\xfe utf8":      "bad .. utf8",
		"tab\tand bidi \u202e!":  "tab.and bidi .!",
		strings.Repeat("a", 161): strings.Repeat("a", 157) + "…",
		strings.Repeat("a", 160): strings.Repeat("a", 160),
	} {
		if got := Failed(FailureBody, in).Detail; got != want || len(got) > maxDetail {
			t.Errorf("%q gives %q (%d bytes), want %q", in, got, len(got), want)
		}
	}
}
