package probe

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A daemon is a real server, run by a test.
type daemon struct {
	dir    string
	target netip.AddrPort
}

// start runs a program that is installed, with PORT and DIR in its arguments put in,
// and waits until it listens.
func start(t *testing.T, credential *syscall.Credential, prepare func(d daemon), name string, args ...string) daemon {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", filepath.Base(name))
	}
	d := daemon{target: free(t)}
	if d.dir, err = os.MkdirTemp("", "probe"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(d.dir) })
	if credential != nil {
		if err := os.Chown(d.dir, int(credential.Uid), int(credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	if prepare != nil {
		prepare(d)
	}
	for i := range args {
		args[i] = d.fill(args[i])
	}
	cmd := exec.Command(path, args...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &output, &output, d.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: credential}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", name, &output)
		}
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", d.target.String()); err == nil {
			c.Close()
			return d
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen:\n%s", name, &output)
		}
	}
}

func (d daemon) fill(s string) string {
	return strings.NewReplacer("DIR", d.dir, "PORT", strconv.Itoa(int(d.target.Port()))).Replace(s)
}

func (d daemon) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(d.fill(text)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// expect probes the daemon once for each line of want, and compares.
func (d daemon) expect(t *testing.T, want string, options ...Options) {
	t.Helper()
	var got strings.Builder
	for _, o := range options {
		if !o.Target.IsValid() {
			o.Target = d.target
		}
		fmt.Fprintln(&got, days.ReplaceAllString(steady(runFor(t, o, patience)), "DATE"))
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRealRedis(t *testing.T) {
	t.Parallel()
	d := start(t, nil, nil, "redis-server", "--port", "PORT", "--bind", "127.0.0.1", "--save", "", "--dir", "DIR", "--requirepass", "secret")
	redis := func(l Login) Options { return Options{Type: "redis", Login: l} }
	d.expect(t, `ok: redis ready in T
ok: redis ready in T
status: redis: NOAUTH Authentication required.
status: redis: WRONGPASS invalid username-password pair or user is disabled.
`, redis(Login{Password: "secret"}), redis(Login{User: "default", Password: "secret"}), redis(Login{}), redis(Login{Password: "wrong"}))
}

func TestRealDNS(t *testing.T) {
	t.Parallel()
	d := start(t, nil, nil, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--listen-address=127.0.0.1",
		"--bind-interfaces", "--port=PORT", "--pid-file", "--address=/www.example.net/192.0.2.80", "--mx-host=example.net,mail.example.net,10", "--local=/example.net/")
	var options []Options
	for _, q := range []DNS{
		{Name: "www.example.net", Answer: "192.0.2.80"},
		{Name: "www.example.net", Answer: "192.0.2.80", TCP: true},
		{Name: "example.net.", Type: "MX", Answer: "10 mail.example.net"},
		{Name: "www.example.net", Answer: "192.0.2.81"},
		{Name: "absent.example.net", RCode: "NXDOMAIN"},
		{Name: "absent.example.net"},
		{Name: "elsewhere.example.org"},
	} {
		options = append(options, Options{Type: "dns", DNS: q})
	}
	d.expect(t, `ok: dns NOERROR with 1 answers in T
ok: dns NOERROR with 1 answers in T
ok: dns NOERROR with 1 answers in T
dns: no "192.0.2.81" among 1 answers
ok: dns NXDOMAIN with 0 answers in T
dns: dns NXDOMAIN, want NOERROR
dns: dns REFUSED, want NOERROR
`, options...)
}

func TestRealTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "Test CA")
	cert, key := ca.client(t) // for www.example.net, as a server's
	d := start(t, nil, func(d daemon) { d.write(t, "cert", cert); d.write(t, "key", key) },
		"openssl", "s_server", "-accept", "127.0.0.1:PORT", "-cert", "DIR/cert", "-key", "DIR/key", "-www", "-quiet")
	secure := func(typ, name string, change func(*Options)) Options {
		o := Options{Type: "tls", TLS: TLS{Roots: ca.pem, ServerName: name}}
		if typ == "https" {
			o.Type = "https"
		}
		if change != nil {
			change(&o)
		}
		return o
	}
	d.expect(t, `ok: TLS 1.3, certificate until DATE in T
ok: TLS 1.3, certificate until DATE, answered in T
ok: http 200 in T
tls: certificate is not for www.example.org but for www.example.net, 127.0.0.1
tls: certificate expires on DATE, in 0 days, want 1
reset: closed in response header
`,
		secure("tls", "www.example.net", nil),
		secure("tls", "www.example.net", func(o *Options) { o.Exchange = Exchange{Send: "GET / HTTP/1.0\r\n\r\n", Expect: "HTTP/1.0 200"} }),
		secure("https", "www.example.net", nil),
		secure("tls", "www.example.org", nil),
		secure("tls", "www.example.net", func(o *Options) { o.TLS.MinDays = 1 }),
		Options{Type: "http"},
	)
}

func TestRealHTTP(t *testing.T) {
	t.Parallel()
	d := start(t, nil, func(d daemon) {
		d.write(t, "users", "alice:{PLAIN}secret\n")
		d.write(t, "conf", `daemon off; master_process off; pid DIR/pid; error_log stderr; events {}
http { access_log off; client_body_temp_path DIR/b; proxy_temp_path DIR/p; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
server { listen 127.0.0.1:PORT;
location = /healthz { return 200 '{"state": "green"}'; }
location = /moved { return 302 /healthz; }
location = /header { return 200 "$http_x_check $host"; }
location / { auth_basic "x"; auth_basic_user_file DIR/users; } } }
`)
	}, "/usr/sbin/nginx", "-p", "DIR", "-e", "stderr", "-c", "DIR/conf")
	http := func(h HTTP, l Login) Options { return Options{Type: "http", HTTP: h, Login: l} }
	d.expect(t, `ok: http 200 in T
body: http 200 without a match of "yellow|red" in the first 256 KiB of the body
status: http 302 in T, want 200-299 (redirects are not followed)
ok: http 200 in T
status: http 401 in T, want 200-299
status: http 404 in T, want 200-299
`,
		http(HTTP{Path: "/healthz", Regex: `"state": *"(green|yellow)"`}, Login{}),
		http(HTTP{Path: "/healthz", Regex: "yellow|red"}, Login{}),
		http(HTTP{Path: "/moved"}, Login{}),
		http(HTTP{Path: "/header", Host: "www.example.net", Contains: "lbha www.example.net", Headers: []Header{{"X-Check", "lbha"}}}, Login{}),
		http(HTTP{Path: "/absent"}, Login{User: "alice", Password: "wrong"}),
		http(HTTP{Path: "/absent"}, Login{User: "alice", Password: "secret"}),
	)
}

func TestRealPostgreSQL(t *testing.T) {
	t.Parallel()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	account, err := user.Lookup("postgres")
	if len(found) == 0 || err != nil || os.Geteuid() != 0 {
		t.Skip("PostgreSQL is not installed, or we are not root and cannot run it as its user")
	}
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	credential := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	d := start(t, credential, func(d daemon) {
		initdb := exec.Command(filepath.Join(filepath.Dir(found[0]), "initdb"), "-D", d.fill("DIR/db"), "-A", "scram-sha-256", "--pwfile=/etc/hostname", "--no-sync", "--no-locale", "-U", "monitor")
		initdb.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
		initdb.Dir = d.dir
		if out, err := initdb.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}, found[0], "-D", "DIR/db", "-p", "PORT", "-h", "127.0.0.1", "-k", "DIR", "-F")
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // it listens before it serves
		if r := run(t, Options{Type: "postgresql", Target: d.target}); r.OK() || time.Now().After(deadline) {
			break
		} else if !strings.Contains(r.Detail, "57P03") {
			t.Errorf("while it starts: %v", r)
			break
		}
	}
	d.expect(t, `ok: postgresql ready in T
ok: postgresql ready in T
tls: the server does not offer TLS
reset: closed in answer
`,
		Options{Type: "postgresql"}, Options{Type: "postgresql", Login: Login{User: "monitor"}},
		Options{Type: "postgresql", TLS: TLS{Enabled: true}}, Options{Type: "redis"})
}
