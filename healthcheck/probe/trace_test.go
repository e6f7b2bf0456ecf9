package probe

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/healthcheck"
)

// traced runs a prober once and renders its steps, without what changes from run to
// run.
func traced(t *testing.T, o Options) string {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var b strings.Builder
	ctx = WithTrace(ctx, func(s Step) { fmt.Fprintf(&b, "%s %s%s\n", s.Kind, s.Text, s.Data) })
	r := p.Probe(ctx)
	b.WriteString(steady(r))
	text := regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(b.String(), "ADDR")
	text = regexp.MustCompile(`Date: [^\r]*`).ReplaceAllString(text, "Date: D")
	return strings.ReplaceAll(text, "\r\n", "~\n")
}

func TestTrace(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "all is well") })
	plain := httptest.NewServer(handler)
	defer plain.Close()
	secure := httptest.NewTLSServer(handler)
	defer secure.Close()
	target := func(s *httptest.Server) netip.AddrPort { return netip.MustParseAddrPort(s.Listener.Addr().String()) }
	roots := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	const conversation = `sent GET /healthz HTTP/1.1~
Host: www~
Accept: */*~
Accept-Encoding: identity~
Connection: close~
User-Agent: lbha~
~

heard HTTP/1.1 200 OK~
Date: D~
Content-Length: 11~
Content-Type: text/plain; charset=utf-8~
Connection: close~
~
all is well
closed by us
ok: http 200 in T`
	ask := HTTP{Path: "/healthz", Host: "www"}
	got := traced(t, Options{Type: healthcheck.TypeHTTP, Target: target(plain), HTTP: ask})
	if diff := cmp.Diff("connected from ADDR to ADDR\n"+conversation, got); diff != "" {
		t.Errorf("in the clear (-want +got)\n%s", diff)
	}
	got = traced(t, Options{Type: healthcheck.TypeHTTPS, Target: target(secure), HTTP: ask, TLS: TLS{Roots: roots, ServerName: "example.com"}})
	first, rest, _ := strings.Cut(got, "\n")
	second, rest, _ := strings.Cut(rest, "\n")
	if first != "connected from ADDR to ADDR" || !strings.HasPrefix(second, "secured TLS 1.3, certificate until ") || !strings.Contains(second, "for example.com") {
		t.Errorf("%s\n%s", first, second)
	}
	if diff := cmp.Diff(conversation, rest); diff != "" {
		t.Errorf("in TLS (-want +got)\n%s", diff)
	}
	got = traced(t, Options{Type: healthcheck.TypeHTTPS, Target: target(secure), HTTP: ask})
	if !strings.HasPrefix(got, "connected from ADDR to ADDR\nclosed by us\ntls: ") {
		t.Errorf("a handshake that fails shows its noise:\n%s", got)
	}
	got = traced(t, Options{Type: healthcheck.TypeScript, Target: target(plain), Script: Script{Command: []string{"/bin/echo", "fine"}}})
	if want := "ran /bin/echo finefine\n\nok: exit 0 in T: fine"; got != want {
		t.Errorf("script\ngot  %q\nwant %q", got, want)
	}
}
