package probe

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// realServers are programs as Debian packages them, each with the least configuration
// that it runs with, with a certificate by the authority. Of those that need long to
// start one is enough: it has the old certificate on its second port.
func realServers(ca *authority, cert, old pair) []realServer {
	trust := TLS{Enabled: true, Roots: ca.pem, ServerName: "www.example.net"}
	monitor := Login{User: "monitor", Password: "secret"}
	return []realServer{
		{name: "nginx", start: func(t *testing.T) daemon {
			return start(t, nil, func(d daemon) {
				cert(t, d)
				d.write(t, "conf", `daemon off; master_process off; pid DIR/pid; error_log stderr; events {}
http { access_log off; client_body_temp_path DIR/b; proxy_temp_path DIR/p; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
ssl_certificate DIR/cert; ssl_certificate_key DIR/key;
server { listen 127.0.0.1:PORT; location = / { return 200 well; } location / { return 404; } }
server { listen 127.0.0.1:MORE ssl http2; location = / { return 200 "well by $server_protocol"; } location / { return 404; } } }
`)
			}, "/usr/sbin/nginx", "-p", "DIR", "-e", "stderr", "-c", "DIR/conf")
		}, rows: []realRow{
			{name: "http", o: Options{Type: "http", HTTP: HTTP{Contains: "well"}}, wrong: func(o *Options) { o.HTTP.Path = "/absent" }},
			{name: "https", o: Options{Type: "https", TLS: trust}, more: true, wrong: func(o *Options) { o.HTTP.Contains = "ill" }},
			{name: "https, http/2", o: Options{Type: "https", TLS: trust, HTTP: HTTP{HTTP2: true, Contains: "HTTP/2.0"}}, more: true, wrong: func(o *Options) { o.HTTP.Path = "/absent" }},
		}},
		{name: "openssl", start: func(t *testing.T) daemon {
			return start(t, nil, func(d daemon) { cert(t, d) }, "openssl", "s_server", "-accept", "127.0.0.1:PORT", "-cert", "DIR/cert", "-key", "DIR/key", "-www", "-quiet")
		}, rows: []realRow{
			{name: "tls", o: Options{Type: "tls", TLS: trust, Exchange: Exchange{Send: "GET / HTTP/1.0\r\n\r\n", Expect: "HTTP/1.0 200"}}, wrong: func(o *Options) { o.Exchange.Expect = "absent" }},
		}},
		{name: "python3", start: func(t *testing.T) daemon {
			if exec.Command("/usr/bin/python3", "-c", "import grpc").Run() != nil {
				t.Skipf("the gRPC server is not installed (Debian: %s)", packages["python3"])
			}
			return start(t, nil, func(d daemon) {
				cert(t, d)
				d.write(t, "server.py", `import grpc
from concurrent import futures
class Health(grpc.GenericRpcHandler):
    def service(self, call):
        if call.method == '/grpc.health.v1.Health/Check':
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b'\x08\x02' if b'ill' in request else b'\x08\x01')
server = grpc.server(futures.ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((Health(),))
server.add_insecure_port('127.0.0.1:PORT')
server.add_secure_port('127.0.0.1:MORE', grpc.ssl_server_credentials([(open('DIR/key', 'rb').read(), open('DIR/cert', 'rb').read())]))
server.start()
server.wait_for_termination()
`)
			}, "/usr/bin/python3", "DIR/server.py")
		}, rows: []realRow{
			{name: "grpc", o: Options{Type: "grpc"}, wrong: func(o *Options) { o.GRPC.Service = "ill" }},
			{name: "grpc, tls", o: Options{Type: "grpc", TLS: trust}, more: true, wrong: func(o *Options) { o.GRPC.Service = "ill" }},
		}},
		{name: "dnsmasq", start: func(t *testing.T) daemon {
			return start(t, nil, nil, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--listen-address=127.0.0.1",
				"--bind-interfaces", "--port=PORT", "--pid-file", "--user=", "--address=/www.example.net/192.0.2.80")
		}, rows: []realRow{
			{name: "dns", o: Options{Type: "dns", DNS: DNS{Name: "www.example.net", Answer: "192.0.2.80"}}, udp: true, wrong: func(o *Options) { o.DNS.Answer = "192.0.2.81" }},
			{name: "dns, tcp", o: Options{Type: "dns", DNS: DNS{Name: "www.example.net", Answer: "192.0.2.80", TCP: true}}, wrong: func(o *Options) { o.DNS.Name = "elsewhere.example.org" }},
			// The same question byte for byte: id, flags, one question, its name, type A, class IN.
			{name: "udp", o: Options{Type: "udp", Exchange: Exchange{Send: "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03net\x00\x00\x01\x00\x01", Expect: "\xc0\x00\x02\x50"}}, udp: true,
				wrong: func(o *Options) { o.Exchange.Expect = "\xc0\x00\x02\x51" }},
		}},
		{name: "postfix", start: func(t *testing.T) daemon {
			root(t)
			return start(t, nil, func(d daemon) {
				cert(t, d)
				d.mkdir(t, "old", 0o755)
				old(t, daemon{dir: d.dir + "/old"})
				d.mkdir(t, "spool", 0o755)
				d.mkdir(t, "data", 0o700)
				d.own(t, "postfix", "data")
				d.write(t, "main.cf", `compatibility_level = 3.6
queue_directory = DIR/spool
data_directory = DIR/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.example.net
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_tls_cert_file = DIR/cert
smtpd_tls_key_file = DIR/key
smtpd_tls_security_level = may
smtpd_delay_reject = no
smtpd_helo_restrictions = check_helo_access inline:{unwanted.example.net=REJECT}
smtpd_peername_lookup = no
maillog_file = /dev/stdout
maillog_file_prefixes = /dev
alias_maps =
`)
				d.write(t, "master.cf", `127.0.0.1:PORT inet n - n - - smtpd
127.0.0.1:MORE inet n - n - - smtpd -o smtpd_tls_cert_file=DIR/old/cert -o smtpd_tls_key_file=DIR/old/key
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
cleanup unix n - n - 0 cleanup
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
`)
			}, "/usr/sbin/postfix", "-c", "DIR", "start-fg")
		}, late: func(d daemon) daemon { return daemon{dir: d.dir, target: d.more} }, rows: []realRow{
			{name: "smtp", o: Options{Type: "smtp"}, wrong: func(o *Options) { o.SMTP.Hello = "unwanted.example.net" }},
			{name: "smtp, starttls", o: Options{Type: "smtp", StartTLS: true, TLS: trust}, wrong: func(o *Options) { o.SMTP.Hello = "unwanted.example.net" }},
		}},
		{name: "slapd", start: func(t *testing.T) daemon {
			return start(t, nil, func(d daemon) {
				cert(t, d)
				d.mkdir(t, "db", 0o700)
				d.write(t, "conf", `include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile DIR/cert
TLSCertificateKeyFile DIR/key
database mdb
maxsize 1048576
suffix "dc=example,dc=net"
rootdn "cn=monitor,dc=example,dc=net"
rootpw secret
directory DIR/db
`)
				d.write(t, "ldif", "dn: dc=example,dc=net\nobjectClass: organization\nobjectClass: dcObject\no: Example\ndc: example\n")
				if add, err := exec.LookPath("/usr/sbin/slapadd"); err == nil {
					if out, err := exec.Command(add, "-f", d.fill("DIR/conf"), "-l", d.fill("DIR/ldif")).CombinedOutput(); err != nil {
						t.Fatalf("slapadd: %v\n%s", err, out)
					}
				}
			}, "/usr/sbin/slapd", "-d", "0", "-h", "ldap://127.0.0.1:PORT/ ldaps://127.0.0.1:MORE/", "-f", "DIR/conf")
		}, rows: []realRow{
			{name: "ldap", o: Options{Type: "ldap", LDAP: LDAP{Base: "dc=example,dc=net"}}, wrong: func(o *Options) { o.LDAP.Base = "dc=absent,dc=example,dc=net" }},
			{name: "ldap, root dse", o: Options{Type: "ldap"}, wrong: func(o *Options) { o.LDAP.Base = "no name" }},
			{name: "ldap, starttls and login", o: Options{Type: "ldap", StartTLS: true, TLS: trust, Login: Login{User: "cn=monitor,dc=example,dc=net", Password: "secret"}}, wrong: func(o *Options) { o.Login.Password = "wrong" }},
			{name: "ldaps", o: Options{Type: "ldap", TLS: trust}, more: true, wrong: func(o *Options) { o.LDAP.Base = "dc=absent" }},
		}},
		{name: "redis", start: func(t *testing.T) daemon {
			return start(t, nil, func(d daemon) { cert(t, d) }, "redis-server", "--port", "PORT", "--bind", "127.0.0.1", "--save", "", "--dir", "DIR", "--requirepass", "secret",
				"--tls-port", "MORE", "--tls-cert-file", "DIR/cert", "--tls-key-file", "DIR/key", "--tls-auth-clients", "no")
		}, rows: []realRow{
			{name: "redis", o: Options{Type: "redis", Login: Login{Password: "secret"}}, wrong: func(o *Options) { o.Login.Password = "wrong" }},
			{name: "redis, tls", o: Options{Type: "redis", TLS: trust, Login: Login{Password: "secret"}}, more: true, wrong: func(o *Options) { o.Login.Password = "" }},
			{name: "tcp, send and expect", o: Options{Type: "tcp", Exchange: Exchange{Send: "AUTH secret\r\nPING\r\n", Expect: "+PONG"}}, wrong: func(o *Options) { o.Exchange.Send = "AUTH wrong\r\nQUIT\r\n" }},
			{name: "tcp", o: Options{Type: "tcp"}},
		}},
		{name: "mariadb", start: func(t *testing.T) daemon {
			credential := account(t, "mysql")
			return start(t, credential, nil, "/usr/sbin/mariadbd", "--no-defaults", "--datadir=DIR", "--tmpdir=DIR", "--skip-grant-tables", "--bind-address=127.0.0.1", "--port=PORT",
				"--socket=DIR/s", "--pid-file=DIR/pid", "--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M", "--innodb-flush-method=nosync", "--skip-log-bin", "--max-connections=10")
		}, rows: []realRow{
			{name: "mysql", o: Options{Type: "mysql"}, crowd: 50},
		}},
		{name: "mariadb with users", start: startMariaDB(cert), rows: []realRow{
			{name: "mysql, login", o: Options{Type: "mysql", Login: monitor, Database: "shop"}, wrong: func(o *Options) { o.Login.Password = "wrong" }},
			{name: "mysql, database", o: Options{Type: "mysql", Login: monitor, Database: "shop"}, wrong: func(o *Options) { o.Database = "mysql" }},
			{name: "mysql, tls and login", o: Options{Type: "mysql", TLS: trust, Login: monitor}, wrong: func(o *Options) { o.Login.User = "stranger" }},
		}},
		{name: "postgresql", start: func(t *testing.T) daemon {
			return startPostgreSQL(t, "ssl = on\nssl_cert_file = 'DIR/cert'\nssl_key_file = 'DIR/key'\n", func(d daemon) { cert(t, d); d.own(t, "postgres", "cert", "key") })
		}, rows: []realRow{
			{name: "postgresql", o: Options{Type: "postgresql", Login: Login{User: "monitor"}}, wrong: func(o *Options) { o.Login.User = "stranger" }},
			{name: "postgresql, tls", o: Options{Type: "postgresql", TLS: trust}, wrong: func(o *Options) { o.Login.User = "stranger" }},
			{name: "postgresql, scram", o: Options{Type: "postgresql", Login: monitor, Database: "postgres"}, wrong: func(o *Options) { o.Login.Password = "wrong" }},
			{name: "postgresql, database", o: Options{Type: "postgresql", Login: monitor, Database: "postgres"}, wrong: func(o *Options) { o.Database = "absent" }},
			{name: "postgresql, tls and clear", o: Options{Type: "postgresql", TLS: trust, Login: Login{User: "plain", Password: "secret"}, Database: "postgres"}, wrong: func(o *Options) { o.Login.Password = "wrong" }},
			{name: "postgresql, md5", o: Options{Type: "postgresql", Login: Login{User: "old", Password: "secret"}, Database: "postgres"}, wrong: func(o *Options) { o.Login.Password = "wrong" }},
		}},
		{name: "dovecot", start: func(t *testing.T) daemon {
			root(t)
			return start(t, nil, func(d daemon) {
				cert(t, d)
				d.mkdir(t, "mail", 0o700)
				d.own(t, "nobody", "mail")
				d.write(t, "conf", `base_dir = DIR/run
state_dir = DIR/state
log_path = /dev/stderr
protocols = imap pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <DIR/cert
ssl_key = <DIR/key
service imap-login {
  chroot =
  inet_listener imap {
    port = PORT
  }
  inet_listener imaps {
    port = 0
  }
}
service pop3-login {
  chroot =
  inet_listener pop3 {
    port = MORE
  }
  inet_listener pop3s {
    port = 0
  }
}
mail_location = maildir:DIR/mail
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=DIR/mail
}
`)
			}, "/usr/sbin/dovecot", "-F", "-c", "DIR/conf")
		}, rows: []realRow{
			{name: "imap", o: Options{Type: "imap"}, wrong: func(o *Options) { o.Type = "pop3" }},
			{name: "imap, starttls and login", o: Options{Type: "imap", StartTLS: true, TLS: trust, Login: Login{User: "nobody", Password: "secret"}}, wrong: func(o *Options) { o.Login.Password = "wrong" }},
			{name: "pop3", o: Options{Type: "pop3"}, more: true, wrong: func(o *Options) { o.Type = "imap" }},
			{name: "pop3, starttls and login", o: Options{Type: "pop3", StartTLS: true, TLS: trust, Login: Login{User: "nobody", Password: "secret"}}, more: true, wrong: func(o *Options) { o.Login.Password = "wrong" }},
		}},
		{name: "vsftpd", start: func(t *testing.T) daemon {
			root(t)
			return start(t, nil, func(d daemon) {
				cert(t, d)
				d.mkdir(t, "empty", 0o755)
				d.write(t, "conf", `listen=YES
listen_address=127.0.0.1
listen_port=PORT
background=NO
anonymous_enable=YES
anon_root=DIR/empty
secure_chroot_dir=DIR/empty
ssl_enable=YES
rsa_cert_file=DIR/cert
rsa_private_key_file=DIR/key
ssl_ciphers=HIGH
allow_anon_ssl=YES
seccomp_sandbox=NO
isolate_network=NO
isolate=NO
max_clients=12
`)
			}, "/usr/sbin/vsftpd", "DIR/conf")
		}, rows: []realRow{
			{name: "ftp, starttls and login", o: Options{Type: "ftp", StartTLS: true, TLS: trust, Login: Login{User: "anonymous", Password: "lbha@example.net"}}, wrong: func(o *Options) { o.Login.User = "nobody" }},
			{name: "ftp", o: Options{Type: "ftp"}, crowd: 50},
		}},
		{name: "kamailio", start: func(t *testing.T) daemon {
			return start(t, nil, func(d daemon) {
				d.write(t, "conf", `#!KAMAILIO
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
loadmodule "sl.so"
loadmodule "pv.so"
request_route {
  if ($rd == "absent.example.net") { sl_send_reply("404", "Not here"); exit; }
  if (method == "OPTIONS") { sl_send_reply("200", "OK"); }
}
`)
			}, "/usr/sbin/kamailio", "-DD", "-E", "-Y", "DIR", "-P", "DIR/pid", "-m", "8", "-M", "2", "-f", "DIR/conf", "-l", "udp:127.0.0.1:PORT", "-l", "tcp:127.0.0.1:PORT")
		}, rows: []realRow{
			{name: "sip", o: Options{Type: "sip"}, udp: true, wrong: func(o *Options) { o.SIP.Host = "absent.example.net" }},
			{name: "sip, tcp", o: Options{Type: "sip", SIP: SIP{TCP: true}}, wrong: func(o *Options) { o.SIP.Host = "absent.example.net" }},
		}},
		{name: "freeradius", start: func(t *testing.T) daemon {
			root(t)
			d := launch(t, nil, func(d daemon) {
				d.write(t, "users", "alice Cleartext-Password := \"a password of more than sixteen bytes\"\n")
				d.write(t, "radiusd.conf", `prefix = /usr
logdir = DIR
run_dir = DIR
libdir = /usr/lib/freeradius
pidfile = DIR/pid
log {
  destination = stderr
}
security {
  status_server = yes
}
client lo {
  ipaddr = 127.0.0.1
  secret = shared
}
modules {
  pap {
  }
  files {
    usersfile = DIR/users
  }
}
server x {
  listen {
    type = auth
    ipaddr = 127.0.0.1
    port = PORT
  }
  authorize {
    files
    pap
  }
  authenticate {
    Auth-Type PAP {
      pap
    }
  }
}
`)
			}, "/usr/sbin/freeradius", "-f", "-l", "stderr", "-d", "DIR", "-D", "/usr/share/freeradius")
			d.await(t, func() bool {
				return run(t, Options{Type: "radius", Target: d.target, RADIUS: RADIUS{Secret: radiusSecret}}).OK()
			})
			return d
		}, rows: []realRow{
			{name: "radius", o: Options{Type: "radius", RADIUS: RADIUS{Secret: radiusSecret}, Login: Login{User: "alice", Password: "a password of more than sixteen bytes"}}, udp: true,
				wrong: func(o *Options) { o.Login.Password = "wrong" }},
			{name: "radius, status", o: Options{Type: "radius", RADIUS: RADIUS{Secret: radiusSecret}}, udp: true},
		}},
	}
}

// startMariaDB runs a database with users and their passwords.
func startMariaDB(cert pair) func(t *testing.T) daemon {
	return func(t *testing.T) daemon {
		credential := account(t, "mysql")
		return start(t, credential, func(d daemon) {
			cert(t, d)
			d.own(t, "mysql", "cert", "key")
			d.write(t, "init", "CREATE DATABASE shop;\nCREATE USER monitor@'127.0.0.1' IDENTIFIED BY 'secret';\nGRANT SELECT ON shop.* TO monitor@'127.0.0.1';\n")
			d.own(t, "mysql", "init")
			install := exec.Command("/usr/bin/mariadb-install-db", "--no-defaults", "--datadir="+d.fill("DIR/db"), "--skip-test-db", "--auth-root-authentication-method=normal", "--innodb-flush-method=nosync")
			install.SysProcAttr, install.Dir = &syscall.SysProcAttr{Credential: credential}, d.dir
			install.Env = append(os.Environ(), "TMPDIR="+d.dir) // that of the tests need not be open to all
			if out, err := install.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}, "/usr/sbin/mariadbd", "--no-defaults", "--datadir=DIR/db", "--tmpdir=DIR", "--init-file=DIR/init", "--bind-address=127.0.0.1", "--port=PORT", "--skip-name-resolve", "--socket=DIR/s", "--pid-file=DIR/pid",
			"--ssl-cert=DIR/cert", "--ssl-key=DIR/key", "--innodb-buffer-pool-size=8M", "--innodb-flush-method=nosync", "--skip-log-bin", "--max-connect-errors=100000")
	}
}
