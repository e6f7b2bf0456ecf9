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
	more   netip.AddrPort // for one that listens on two ports
}

// packages are those of Debian that bring the programs.
var packages = map[string]string{
	"dnsmasq": "dnsmasq-base", "dovecot": "dovecot-imapd and dovecot-pop3d", "freeradius": "freeradius", "kamailio": "kamailio",
	"mariadbd": "mariadb-server", "nginx": "nginx-light", "openssl": "openssl", "postfix": "postfix", "postgres": "postgresql",
	"python3": "python3-grpcio", "redis-server": "redis-server", "slapd": "slapd", "vsftpd": "vsftpd",
}

// start runs a program that is installed, with PORT, MORE and DIR in its arguments put
// in, and waits until it listens. It and all that it starts end with the test.
func start(t *testing.T, credential *syscall.Credential, prepare func(d daemon), name string, args ...string) daemon {
	t.Helper()
	d := launch(t, credential, prepare, name, args...)
	d.await(t, listens(d.target))
	return d
}

// listens reports whether somebody takes connections.
func listens(at netip.AddrPort) func() bool {
	return func() bool {
		c, err := net.Dial("tcp", at.String())
		if err == nil {
			c.Close()
		}
		return err == nil
	}
}

// await waits until a program is ready.
func (d daemon) await(t *testing.T, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * patience); !ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server does not become ready")
		}
	}
}

// launch is start without waiting.
func launch(t *testing.T, credential *syscall.Credential, prepare func(d daemon), name string, args ...string) daemon {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed (Debian: %s)", filepath.Base(name), packages[filepath.Base(name)])
	}
	d := daemon{target: free(t), more: free(t)}
	if d.dir, err = os.MkdirTemp("", "probe"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(d.dir) })
	if err := os.Chmod(d.dir, 0o755); err != nil {
		t.Fatal(err)
	}
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
	// The shell is the first process of the namespace, and gets those that nobody waits
	// for: some programs are confused by children that they have not started.
	cmd := exec.Command("/bin/sh", append([]string{"-c", `"$@" & wait $!`, "sh", path}, args...)...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &output, &output, d.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: credential}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID // whose end is the end of all in it
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", name, &output)
		}
	})
	return d
}

// account is whom a daemon that must not be root runs as.
func account(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skipf("only root can run a program as %s", name)
	}
	u, err := user.Lookup(name)
	if err != nil {
		t.Skipf("there is no user %s, whom the package of the server makes: %v", name, err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (d daemon) fill(s string) string {
	return strings.NewReplacer("DIR", d.dir, "PORT", strconv.Itoa(int(d.target.Port())), "MORE", strconv.Itoa(int(d.more.Port()))).Replace(s)
}

func (d daemon) write(t *testing.T, name, text string) {
	t.Helper()
	d.keep(t, name, d.fill(text))
}

// keep writes a text as it is: that of a certificate may spell a word that fill looks for.
func (d daemon) keep(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (d daemon) append(t *testing.T, name, text string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(d.dir, name), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(d.fill(text)); err != nil {
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
	d := start(t, nil, func(d daemon) { d.keep(t, "cert", cert); d.keep(t, "key", key) },
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
	d := startPostgreSQL(t, "", func(daemon) {})
	d.expect(t, `ok: postgresql ready in T
ok: postgresql ready in T
tls: the server does not offer TLS
reset: closed in answer
`,
		Options{Type: "postgresql"}, Options{Type: "postgresql", Login: Login{User: "monitor"}},
		Options{Type: "postgresql", TLS: TLS{Enabled: true}}, Options{Type: "redis"})
}

// startPostgreSQL runs a database with more settings, and waits until it serves: before,
// it says what it is at.
func startPostgreSQL(t *testing.T, settings string, prepare func(d daemon)) daemon {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		t.Skipf("postgres is not installed (Debian: %s)", packages["postgres"])
	}
	credential := account(t, "postgres")
	d := start(t, credential, func(d daemon) {
		d.write(t, "password", "secret\n")
		d.own(t, "postgres", "password")
		initdb := exec.Command(filepath.Join(filepath.Dir(found[0]), "initdb"), "-D", d.fill("DIR/db"), "-A", "scram-sha-256", "--pwfile="+d.fill("DIR/password"), "--no-sync", "--no-locale", "-U", "monitor")
		initdb.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
		initdb.Dir = d.dir
		if out, err := initdb.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		hba, err := os.ReadFile(d.fill("DIR/db/pg_hba.conf"))
		if err != nil {
			t.Fatal(err)
		}
		d.write(t, "db/pg_hba.conf", "host all stranger 127.0.0.1/32 reject\nhostssl all plain 127.0.0.1/32 password\nhost all old 127.0.0.1/32 md5\n"+string(hba))
		d.own(t, "postgres", "db/pg_hba.conf")
		single := exec.Command(found[0], "--single", "-D", d.fill("DIR/db"), "postgres")
		single.SysProcAttr, single.Dir = &syscall.SysProcAttr{Credential: credential}, d.dir
		single.Stdin = strings.NewReader("CREATE ROLE plain LOGIN PASSWORD 'secret'\nSET password_encryption = 'md5'\nCREATE ROLE old LOGIN PASSWORD 'secret'\n")
		if out, err := single.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		d.append(t, "db/postgresql.conf", settings)
		prepare(d)
	}, found[0], "-D", "DIR/db", "-p", "PORT", "-h", "127.0.0.1", "-k", "DIR", "-F")
	d.await(t, func() bool {
		r := runFor(t, Options{Type: "postgresql", Target: d.target}, patience)
		if !r.OK() && !strings.Contains(r.Detail, "57P03") {
			t.Fatalf("while it starts: %v", r)
		}
		return r.OK()
	})
	return d
}
