package probe

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/healthcheck"
)

func TestBadOptions(t *testing.T) {
	good := Options{Type: "https", Target: netip.MustParseAddrPort("10.0.0.1:80")}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Options){
		fmt.Sprintf(`check type "gopher" cannot be run: this build has %v`, Types()): func(o *Options) { o.Type = "gopher" },
		`cannot probe the address invalid IP`:                                        func(o *Options) { o.Target = netip.AddrPort{} },
		`cannot probe the address 0.0.0.0`:                                           func(o *Options) { o.Target = netip.MustParseAddrPort("0.0.0.0:80") },
		`cannot probe 10.0.0.1: no port`:                                             func(o *Options) { o.Target = netip.MustParseAddrPort("10.0.0.1:0") },
		`source fd00::1 and target 10.0.0.1 are of different families`:               func(o *Options) { o.Dial.Source = netip.MustParseAddr("fd00::1") },
		`server fd00::1 and virtual address 10.0.0.1 are of different families`:      func(o *Options) { o.Dial.Through = netip.MustParseAddr("fd00::1") },
		`interface name "an-interface-name" is longer than 15 bytes`:                 func(o *Options) { o.Dial.Interface = "an-interface-name" },
		`bad http method "GET /"`:                                                    func(o *Options) { o.HTTP.Method = "GET /" },
		`bad http method "CONNECT"`:                                                  func(o *Options) { o.HTTP.Method = "CONNECT" },
		`bad http path "healthz": want /… without spaces`:                            func(o *Options) { o.HTTP.Path = "healthz" },
		`bad http path "/ HTTP/1.1\r\nX: y": want /… without spaces`:                 func(o *Options) { o.HTTP.Path = "/ HTTP/1.1\r\nX: y" },
		`bad http host "a\r\nb"`:                                                     func(o *Options) { o.HTTP.Host = "a\r\nb" },
		`bad http host "http://a/"`:                                                  func(o *Options) { o.HTTP.Host = "http://a/" },
		`the text looked for has 1025 bytes, at most 1024`:                           func(o *Options) { o.HTTP.Contains = strings.Repeat("x", 1025) },
		`an answer to HEAD has no body to contain a text`:                            func(o *Options) { o.HTTP = HTTP{Method: "HEAD", Contains: "x"} },
		`a body is searched for a text, matched or summed up, not several of them`:   func(o *Options) { o.HTTP.Contains, o.HTTP.Regex = "x", "y" },
		`"abc" is no SHA-256 in hexadecimal`:                                         func(o *Options) { o.HTTP.Digest = "abc" },
		`a request of method GET has no body`:                                        func(o *Options) { o.HTTP.Body = "x" },
		`a redirect of method POST is not followed`:                                  func(o *Options) { o.HTTP.Method, o.HTTP.Redirects = "POST", 1 },
		`bad http method "A B"`:                                                      func(o *Options) { o.Requests = []HTTP{{}, {Method: "A B"}} },
		"error parsing regexp: missing closing ): `(`":                               func(o *Options) { o.HTTP.Regex = "(" },
		`bad http header "X Y"`:                                                      func(o *Options) { o.HTTP.Headers = []Header{{"X Y", "z"}} },
		`bad http header "X"`:                                                        func(o *Options) { o.HTTP.Headers = []Header{{"X", "a\r\nb"}} },
		`http header Host is not for a check to set`:                                 func(o *Options) { o.HTTP.Headers = []Header{{"host", "z"}} },
		`a user name of http basic authentication has no colon`:                      func(o *Options) { o.Login.User = "a:b" },
		`client certificate: tls: failed to find any PEM data in certificate input`:  func(o *Options) { o.TLS.Key = "x" },
		`unknown dns type "X"`:                                                       func(o *Options) { o.Type, o.DNS = "dns", DNS{Name: "x", Type: "X"} },
		`unknown dns rcode "X"`:                                                      func(o *Options) { o.Type, o.DNS = "dns", DNS{Name: "x", RCode: "X"} },
		`packing Question: Name: segment length too long`:                            func(o *Options) { o.Type, o.DNS.Name = "dns", strings.Repeat("x", 64) },
		`a reply cannot be expected and not be required`:                             func(o *Options) { o.Type, o.Exchange = "udp", Exchange{Expect: "x", NoReply: true} },
		`the name for ehlo has characters that a name has not`:                       func(o *Options) { o.Type, o.SMTP.Hello = "smtp", "a\r\nb" },
		`a user name, password or database has no NUL and at most 1024 bytes`:        func(o *Options) { o.Type, o.Login.User = "postgresql", "a\x00b" },
		`a user name or password has characters that cannot be said in the protocol`: func(o *Options) { o.Type, o.Login = "imap", Login{User: "x", Password: "y\r\nz"} },
		`bad sip host "a;b"`:                                                         func(o *Options) { o.Type, o.SIP.Host = "sip", "a;b" },
		`radius needs the secret that is shared with the server`:                     func(o *Options) { o.Type = "radius" },
		`a secret, name or password of radius has more than 128 bytes`:               func(o *Options) { o.Type, o.RADIUS.Secret = "radius", strings.Repeat("x", 129) },
		`a password without a name`:                                                  func(o *Options) { o.Type, o.RADIUS.Secret, o.Login.Password = "radius", "x", "y" },
		`a name or password of ldap has more than 1024 bytes`:                        func(o *Options) { o.Type, o.LDAP.Base = "ldap", strings.Repeat("x", 1025) },
		`a bind with a name and no password proves nothing`:                          func(o *Options) { o.Type, o.Login.User = "ldap", "cn=x" },
		`bad host "a b"`: func(o *Options) { o.Type, o.HTTP.Host = "grpc", "a b" },
		`the name of the grpc service has 128 bytes, at most 127`: func(o *Options) { o.Type, o.GRPC.Service = "grpc", strings.Repeat("x", 128) },
		`script ["true"]: want an absolute path and arguments`:    func(o *Options) { o.Type, o.Script.Command = "script", []string{"true"} },
		`user: unknown user no-such-user`: func(o *Options) {
			o.Type, o.Script = "script", Script{Command: []string{"/bin/true"}, User: "no-such-user"}
		},
		`file "state" is not an absolute path`:              func(o *Options) { o.Type, o.File = "file", "state" },
		`no certificate in the PEM text of the authorities`: func(o *Options) { o.TLS.Roots = "x" },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// TestKey: options that mean the same share a probe, others do not.
func TestKey(t *testing.T) {
	base := Options{Type: "http", Target: netip.MustParseAddrPort("10.0.0.1:80")}
	equal := []func(*Options){
		func(o *Options) { o.HTTP.Path = "/" },
		func(o *Options) { o.HTTP.Method = "GET" },
		func(o *Options) { o.HTTP.Host = "10.0.0.1" },
		func(o *Options) { o.HTTP.Status = []healthcheck.StatusRange{{First: 200, Last: 299}} },
		func(o *Options) { o.TLS.Insecure = true },
		func(o *Options) { o.DNS.Name, o.File, o.StartTLS, o.Exchange.Send = "x", "/x", true, "x" },
		func(o *Options) { o.Target = netip.MustParseAddrPort("[::ffff:10.0.0.1]:80") },
	}
	other := []func(*Options){
		func(o *Options) { o.Type = "tcp" },
		func(o *Options) { o.Type = "https" },
		func(o *Options) { o.Type, o.TLS.Insecure = "https", true },
		func(o *Options) { o.Type, o.TLS.Roots = "https", "a" },
		func(o *Options) { o.Type, o.TLS.Roots = "https", "b" },
		func(o *Options) { o.Type, o.TLS.ServerName = "https", "b" },
		func(o *Options) { o.Target = netip.MustParseAddrPort("10.0.0.1:81") },
		func(o *Options) { o.HTTP.Path = "/x" },
		func(o *Options) { o.HTTP.Host = "x" },
		func(o *Options) { o.HTTP.Method = "HEAD" },
		func(o *Options) { o.HTTP.Contains = "x" },
		func(o *Options) { o.HTTP.Status = []healthcheck.StatusRange{{First: 200, Last: 399}} },
		func(o *Options) { o.HTTP.Regex = "x" },
		func(o *Options) { o.HTTP.Digest = "x" },
		func(o *Options) { o.HTTP.Body = "x" },
		func(o *Options) { o.HTTP.HTTP2 = true },
		func(o *Options) { o.HTTP.Redirects = 1 },
		func(o *Options) { o.Requests = []HTTP{{Path: "/a"}} },
		func(o *Options) { o.Requests = []HTTP{{Path: "/a"}, {Path: "/b"}} },
		func(o *Options) { o.Type, o.Script = "script", Script{Command: []string{"/x"}, Dynamic: true} },
		func(o *Options) { o.HTTP.Headers = []Header{{"X", "y"}} },
		func(o *Options) { o.HTTP.Headers = []Header{{"X", "z"}} },
		func(o *Options) { o.Login.Password = "x" },
		func(o *Options) { o.Login.Password = "y" },
		func(o *Options) { o.Type, o.TLS.Key = "https", "x" },
		func(o *Options) { o.Type, o.TLS.MinDays = "https", 1 },
		func(o *Options) { o.Type = "smtp" },
		func(o *Options) { o.Type, o.TLS.Enabled = "smtp", true },
		func(o *Options) { o.Type, o.StartTLS = "smtp", true },
		func(o *Options) { o.Type, o.DNS.Name = "dns", "x" },
		func(o *Options) { o.Type, o.DNS.Name, o.DNS.TCP = "dns", "x", true },
		func(o *Options) { o.Type, o.Exchange.Send = "udp", "x" },
		func(o *Options) { o.Type, o.Exchange = "udp", Exchange{Send: "x", NoReply: true} },
		func(o *Options) { o.Type, o.Script.Command = "script", []string{"/x"} },
		func(o *Options) { o.Type, o.File = "file", "/x" },
		func(o *Options) { o.Type = "imap" },
		func(o *Options) { o.Type, o.StartTLS = "imap", true },
		func(o *Options) { o.Type, o.LDAP.Base = "ldap", "x" },
		func(o *Options) { o.Type, o.SIP.TCP = "sip", true },
		func(o *Options) { o.Type, o.SIP.Host = "sip", "x" },
		func(o *Options) { o.Type, o.RADIUS.Secret = "radius", "x" },
		func(o *Options) { o.Type, o.RADIUS.Secret = "radius", "y" },
		func(o *Options) { o.Type, o.GRPC.Service = "grpc", "x" },
		func(o *Options) { o.Dial.Mark = 1 },
		func(o *Options) { o.Dial.Through = netip.MustParseAddr("10.0.0.9") },
		func(o *Options) { o.Dial.Interface = "x" },
		func(o *Options) { o.Dial.Source = netip.MustParseAddr("10.0.0.9") },
	}
	for i, change := range equal {
		o := base
		change(&o)
		if o.Key() != base.Key() {
			t.Errorf("equal %d: %s and %s", i, o.Key(), base.Key())
		}
	}
	seen := map[string]int{base.Key(): -1}
	for i, change := range other {
		o := base
		change(&o)
		if k, double := seen[o.Key()]; double {
			t.Errorf("other %d and %d: %s", i, k, o.Key())
		}
		seen[o.Key()] = i
	}
}

func TestDefaultNames(t *testing.T) {
	var got strings.Builder
	for _, line := range []string{"http 10.0.0.1:80", "http 10.0.0.1:443", "https 10.0.0.1:443", "http [fd00::1%eth0]:80", "https [fe80::1%eth0]:8443", "http [::ffff:10.0.0.1]:8080"} {
		typ, target, _ := strings.Cut(line, " ")
		o := Options{Type: healthcheck.Type(typ), Target: netip.MustParseAddrPort(target)}.normal()
		fmt.Fprintf(&got, "%s: Host: %s, name %s\n", line, o.HTTP.Host, hostOnly(o.HTTP.Host))
	}
	want := `http 10.0.0.1:80: Host: 10.0.0.1, name 10.0.0.1
http 10.0.0.1:443: Host: 10.0.0.1:443, name 10.0.0.1
https 10.0.0.1:443: Host: 10.0.0.1, name 10.0.0.1
http [fd00::1%eth0]:80: Host: [fd00::1], name fd00::1
https [fe80::1%eth0]:8443: Host: [fe80::1]:8443, name fe80::1
http [::ffff:10.0.0.1]:8080: Host: 10.0.0.1:8080, name 10.0.0.1
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
