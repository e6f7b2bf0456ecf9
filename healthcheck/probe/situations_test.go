package probe

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write the golden file anew; read the difference before committing it")

// A situation is one that a prober gets into.
type situation struct {
	probe, name string
	o           Options
}

// waits are the situations that last until the deadline, with that: those who hang
// only after others have answered have more of it. All others have time enough on a
// busy machine, too.
var waits = map[string]time.Duration{
	"silent": timeout, "silent and well": timeout, "one byte at a time": timeout, "black-holed": timeout, "hangs": timeout, "several, one hangs": 4 * timeout, "stops short": timeout,
	"wrong answer, stays": timeout, "another id": timeout, "another name": timeout, "echo of the query": timeout, "echo of the request": timeout,
	"another secret": timeout, "unsigned message": timeout,
}

// situations are all that a prober gets into, in the order of the golden file.
type situations struct {
	t         testing.TB
	ca, other *authority     // who signs: the one that is trusted, and another
	gone      netip.AddrPort // where nobody listens
	hole      netip.AddrPort // where nobody accepts
	all       []situation
}

// at is a probe with its target, if it has one.
func (s *situations) at(probe, name string, o Options) {
	s.all = append(s.all, situation{probe, name, o})
}

func (s *situations) addAt(probe, name string, o Options, target netip.AddrPort) {
	o.Target = target
	s.at(probe, name, o)
}

func (s *situations) add(probe, name string, o Options, p peer) {
	s.addAt(probe, name, o, p.listen(s.t, "127.0.0.1:0"))
}

// common is what every protocol on TCP must survive. opening is how a healthy server begins.
func (s *situations) common(name string, o Options, opening string, healthy peer) {
	s.add(name, "healthy", o, healthy)
	s.addAt(name, "refused", o, s.gone)
	s.addAt(name, "black-holed", o, s.hole)
	s.add(name, "silent", o, hangup)
	s.add(name, "one byte at a time", o, slowly(opening+"                    "))
	s.add(name, "closed at once", o, hangsUp)
	s.add(name, "garbage", o, closes("\x00\x01\x02\x03\x04\x05\x06\x07\xff\x1b[2J\r\n"))
	s.add(name, "flood of zeros", o, floods("\x00"))
	s.add(name, "flood of lines", o, floods("250-x\r\n"))
}

// TestSituations: every probe in every situation. The whole table is shown by -v.
func TestSituations(t *testing.T) {
	s := &situations{t: t, ca: newAuthority(t, "Test CA"), other: newAuthority(t, "Other CA"), gone: nobody(t), hole: blackHole(t)}
	dir := t.TempDir()
	s.greetings()
	s.dns()
	s.udp()
	s.ldap()
	s.sip()
	s.radius()
	s.certificates()
	s.inTLS()
	s.databases()
	s.grpc()
	s.web()
	s.files(dir)
	got := render(s.all, dir)
	t.Logf("probe, situation, reason:\n%s", got)
	const golden = "testdata/situations.golden"
	if *rewrite {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", golden, diff)
	}
}

// files are files whose content says how a server is.
func (s *situations) files(dir string) {
	file := func(name, content string) {
		o := Options{Type: "file", File: filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))}
		if err := os.WriteFile(o.File, []byte(content), 0o600); err != nil {
			s.t.Fatal(err)
		}
		s.at("file", name, o)
	}
	file("up", "up\n")
	file("down", "Down since noon\n")
	file("empty", "\n")
	file("weight", "12 since noon\n")
	file("weight 0", "0")
	file("share", "50%\n")
	file("too much weight", "70000\n")
	file("garbage", "\x00\x1b[2J")
	file("large", strings.Repeat("up ", 1<<20))
	s.at("file", "absent", Options{Type: "file", File: "/absent/file"})
	s.at("file", "a directory", Options{Type: "file", File: "/"})
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.at("file", "a pipe", Options{Type: "file", File: pipe})
}

// render runs all probes, a few at a time, and writes what each said.
func render(all []situation, dir string) string {
	lines := make([]string, len(all))
	slots := make(chan struct{}, 16)
	var wait sync.WaitGroup
	for i, s := range all {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			lines[i] = fmt.Sprintf("%-16s %-24s %s\n", s.probe, s.name, strings.ReplaceAll(outcome(s), dir, "DIR"))
		})
	}
	wait.Wait()
	return strings.Join(lines, "")
}

// days are dates of certificates, blanks what a slow server has said so far.
var (
	days   = regexp.MustCompile(`\b20[0-9]{2}-[0-9]{2}-[0-9]{2}\b`)
	blanks = regexp.MustCompile(`" +"`)
)

// outcome runs one probe, as a Checker would.
func outcome(s situation) string {
	p, err := New(s.o)
	if err != nil {
		return err.Error()
	}
	limit, lasts := waits[s.name]
	if !lasts {
		limit = patience
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	start := time.Now()
	r := p.Probe(ctx)
	if took := time.Since(start); took > limit+slack {
		return fmt.Sprintf("the probe took %v: %v", took, r)
	}
	return blanks.ReplaceAllString(days.ReplaceAllString(steady(r), "DATE"), `" "`)
}
