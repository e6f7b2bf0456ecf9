package probe

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A realRow is a kind of probe against a real server of its kind, in every situation.
type realRow struct {
	name  string
	o     Options          // finds the server well
	more  bool             // asks the server's second port
	udp   bool             // has no connection
	wrong func(o *Options) // makes the server's answer the wrong one
	crowd int              // instead: so many others at the most are let in before us
}

// nameWidth is the width of the names of rows in the table.
const nameWidth = 26

// A realServer is a program that Debian packages, and the probes that fit it.
type realServer struct {
	name  string
	start func(t *testing.T) daemon
	late  func(d daemon) daemon // where it shows an expired certificate; nil: another one that does
	rows  []realRow
}

// pair writes a certificate and its key to where a server reads them.
type pair func(t *testing.T, d daemon)

// TestRealMatrix: every kind of probe against a real server: well, refused, black-holed,
// answering a byte at a time, answering wrongly, and with a certificate that is expired,
// for another name or of an authority that is not trusted. The table is shown by -v, and
// is testdata/real.golden.
func TestRealMatrix(t *testing.T) {
	text, err := os.ReadFile("testdata/real.golden")
	if err != nil && !*rewrite {
		t.Fatal(err)
	}
	rows := map[string]string{} // of the golden file, by name
	for line := range strings.Lines(string(text)) {
		rows[strings.TrimSpace(line[:nameWidth])] += line
	}
	ca, other := newAuthority(t, "Test CA"), newAuthority(t, "Other CA")
	const hour = time.Hour
	valid, expired := ca.pair(-hour, 48*hour), ca.pair(-48*hour, -hour)
	servers, old := realServers(ca, valid, expired), realServers(ca, expired, valid)
	found := make([]string, len(servers)) // by server
	for i, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			d := server.start(t)
			var late daemon // the same with an expired certificate
			switch {
			case server.late != nil:
				late = server.late(d)
			case slices.ContainsFunc(server.rows, func(r realRow) bool { return r.o.TLS.Enabled }):
				late = old[i].start(t)
			}
			if slices.ContainsFunc(server.rows, func(r realRow) bool { return r.more }) {
				d.await(t, listens(d.more))
				late.await(t, listens(late.more))
			}
			got := make([]string, len(server.rows))
			var wait sync.WaitGroup
			for i, row := range server.rows {
				if row.crowd == 0 {
					wait.Go(func() { got[i] = row.render(t, d, late, other) })
				}
			}
			wait.Wait()
			for i, row := range server.rows {
				if row.crowd > 0 { // which the others would be in the way of
					got[i] = row.render(t, d, late, other)
				}
			}
			var want strings.Builder
			for _, row := range server.rows {
				want.WriteString(rows[row.name])
			}
			all := strings.Join(got, "")
			t.Logf("\n%s", all)
			if *rewrite {
				found[i] = all
			} else if diff := cmp.Diff(want.String(), all); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	t.Cleanup(func() { // when all have ended
		if !*rewrite || t.Failed() {
			return
		}
		for i, server := range servers {
			if found[i] == "" { // not installed: what was found elsewhere stands
				for _, row := range server.rows {
					found[i] += rows[row.name]
				}
			}
		}
		if err := os.WriteFile("testdata/real.golden", []byte(strings.Join(found, "")), 0o644); err != nil {
			t.Error(err)
		}
	})
}

// render writes what becomes of the probe in each situation.
func (row realRow) render(t *testing.T, d, late daemon, other *authority) string {
	at := func(d daemon, change func(*Options)) Options {
		o := row.o
		o.Target = d.target
		if row.more {
			o.Target = d.more
		}
		if change != nil {
			change(&o)
		}
		return o
	}
	hole := netip.AddrPort{}
	if row.udp {
		hole = datagrams(t, silent)
	} else {
		hole = blackHole(t)
	}
	gone := nobody(t)
	cells := []situation{
		{row.name, "healthy", at(d, nil)},
		{row.name, "refused", at(d, func(o *Options) { o.Target = gone })},
		{row.name, "black-holed", at(d, func(o *Options) { o.Target = hole })},
	}
	if !row.udp {
		slow := drop(at(d, nil).Target).listen(t, "127.0.0.1:0")
		cells = append(cells, situation{row.name, "one byte at a time", at(d, func(o *Options) { o.Target = slow })})
	}
	if row.o.TLS.Enabled {
		cells = append(cells,
			situation{row.name, "expired", at(late, nil)},
			situation{row.name, "wrong name", at(d, func(o *Options) { o.TLS.ServerName = "www.example.org" })},
			situation{row.name, "untrusted", at(d, func(o *Options) { o.TLS.Roots = other.pem })})
	}
	lines := make([]string, len(cells), len(cells)+1)
	var wait sync.WaitGroup
	for i, c := range cells {
		wait.Go(func() { lines[i] = row.line(c) })
	}
	wait.Wait()
	switch {
	case row.crowd > 0:
		lines = append(lines, row.crowded(t, at(d, nil)))
	case row.wrong != nil:
		lines = append(lines, row.line(situation{row.name, "wrong answer", at(d, row.wrong)}))
	}
	return strings.Join(lines, "")
}

func (row realRow) line(c situation) string {
	return fmt.Sprintf("%-*s%-20s %s\n", nameWidth, row.name, c.name, outcome(c))
}

// crowded lets more and more others in, until the server has no place left for us.
func (row realRow) crowded(t *testing.T, o Options) string {
	for range row.crowd {
		c, err := net.Dial("tcp", o.Target.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(patience))
		c.Read(make([]byte, 1)) // it is let in, or is not
		if line := row.line(situation{row.name, "wrong answer", o}); !strings.Contains(line, " ok: ") {
			return line
		}
	}
	return "there is always a place left\n"
}

// drop passes a connection on to a server, and what the server says back at a byte
// at a time.
func drop(target netip.AddrPort) peer {
	return func(c net.Conn) {
		server, err := net.Dial("tcp", target.String())
		if err != nil {
			return
		}
		defer server.Close()
		go func() { io.Copy(server, c); server.Close() }()
		one := make([]byte, 1)
		for {
			if _, err := server.Read(one); err != nil {
				return
			}
			if _, err := c.Write(one); err != nil {
				return
			}
			time.Sleep(timeout / 4)
		}
	}
}

// pair makes a certificate for servers that is valid in the given span around now.
func (a *authority) pair(from, to time.Duration) pair {
	return func(t *testing.T, d daemon) {
		t.Helper()
		signed := a.sign(t, from, to)
		der, err := x509.MarshalPKCS8PrivateKey(signed.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		d.keep(t, "cert", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed.Certificate[0]})))
		d.keep(t, "key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	}
}

// own gives files to whom the server runs as.
func (d daemon) own(t *testing.T, user string, names ...string) {
	t.Helper()
	c := account(t, user)
	for _, name := range names {
		if err := os.Chown(filepath.Join(d.dir, name), int(c.Uid), int(c.Gid)); err != nil {
			t.Fatal(err)
		}
	}
}

func (d daemon) mkdir(t *testing.T, name string, mode os.FileMode) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(d.dir, name), mode); err != nil {
		t.Fatal(err)
	}
}

// root skips a server that only root can run.
func root(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can run this server")
	}
}
