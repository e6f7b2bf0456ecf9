// Package config reads lbha's configuration: TOML text in, one validated [Config] out, or
// every fault of every file with its place.
//
// # From text to Config
//
// A file goes through four steps, each of which is one file of this package or a few:
//
//	scan     text → places        which key and which value stands where (scan.go), and the
//	                              values of what is plain, as nearly every text is (plain.go)
//	toml     text → values        BurntSushi/toml, of what is not: it also finds the syntax errors
//	decode   nodes → raw shapes   strict: unknown keys, wrong types (raw.go, decode.go)
//	build    raw → Config         defaults, ranges, contradictions (build*.go)
//
// The first two meet in a tree of nodes, values with their places, and every value of a
// raw shape remembers its node. That is why a finding about two keys of two files, made at
// the very end, still has a line and a column. Nothing stops at the first fault: a value
// that does not fit counts as not set, and is not reported a second time as missing.
//
// A [Config] is immutable and complete. It names no default: "not set" is gone. What a
// change from one to another means is told by [Compare].
//
// # Several files
//
// The key include, at the top of a file, names more files, relative to the file that it
// stands in: include = ["conf.d/*.toml"]. What a pattern matches is read sorted by name,
// and each file once. Arrays of tables at the top (vrrp, vrrp_group, service) add up, every
// other key may be set in one file only.
//
// # Inheritance
//
// Everything that a vrrp table can set may also be set in the table defaults.vrrp, and
// likewise for a service and defaults.service. Tables are inherited key by key; scalars and arrays
// as a whole. An inherited setting that cannot apply to the one that inherits it (the flags
// of another scheduler) is left out; written by itself, it is an error.
//
// A check inherits from the check in its place: a server's from its service's, a service's
// from defaults.service.check. If both are of one type, or the heir names none, that is
// every key that the heir leaves out, else only what every type has: interval,
// fast_interval, timeout, jitter, rise, fall, startup_grace and flap_damping. To have no
// check at all where one would be inherited, write checks = [].
//
// # Defaults
//
// A key without a default must be set. Durations are strings with a unit, such as "250ms",
// "2s", "5m".
//
//	[global]              name                the host name
//	                      control             "/run/lbha/lbha.sock"
//	                      state_dir           "/run/lbha"
//	                      metrics             "", off
//	                      log.level           "info"; debug, warn, error
//	                      log.format          "auto"; text, json
//	                      exclusive           false
//	                      scripts.user        "nobody"
//	                      scripts.timeout     "5s"
//	                      ipvs.timeouts.*     "0s": the kernel's are left alone
//	                      ipvs.sync           absent: no synchronisation
//	                      ipvs.sync.id        0
//	                      peers               absent: verdicts are told to nobody
//	                      peers.listen, peers.directors     must be set
//	                      peers.key, peers.key_file or peers.credential     one of them must be set
//
//	[[vrrp]]              name, interface, id, addresses    must be set
//	                      version             3
//	                      priority            100
//	                      interval            "1s"
//	                      preempt             true
//	                      preempt_delay       "0s"
//	                      startup_delay       "0s"
//	                      down_adverts        3
//	                      extra_addresses     none
//	                      address_lease       "auto"; "off", or whole seconds
//	                      virtual_mac         false
//	                      unicast             absent: multicast
//	                      unicast.source      the interface's first address
//	                      unicast.min_ttl, unicast.max_ttl    no bound
//	                      checksum            "pseudo-header"; message; version 3 on IPv4 only
//	                      auth.type           "none"; pass (version 2), hmac
//	                      auth.key, auth.key_file or auth.credential    one of them must be set, or auth.keys
//	                      auth.active         the only key
//	                      auth.mode           "enforce"; permissive, receive-only
//	                      auth.replay         "time"; monotonic
//	                      auth.window         3 intervals, at least "5s"; "1s" to "300s"
//	                      announce.count      5
//	                      announce.repeat_after "5s"
//	                      announce.refresh    "60s"
//	                      announce.gap        "0s"
//	                      notify              absent
//	                      notify.command      absent, with a stream
//	                      notify.user         global.scripts.user
//	                      notify.timeout      global.scripts.timeout
//	                      notify.stream       absent, with a command
//	                      route, rule         none
//
//	auth.keys of [[vrrp]] id                  must be set: 1 to 255
//	                      key, key_file or credential       one of them must be set
//
//	addresses of [[vrrp]] address             must be set; without a prefix length, /32 or /128.
//	                                          Of IPv6 the first link-local one is advertised first
//	                      interface           the instance's
//	                      label               none; IPv4 only
//	                      scope               "global"; site, link, host; IPv4 only
//
//	[[vrrp.track]]        one of interface, service, script, file, process, instance    must be set
//	                      weight              0: a failure means FAULT, of a service the least priority
//	                      interval            "2s", scripts only, as all that follow
//	                      timeout             global.scripts.timeout
//	                      rise, fall          2, 3
//	                      user                global.scripts.user
//
//	[[vrrp.route]]        destination         must be set; "default" is 0.0.0.0/0 or ::/0
//	                      via                 none: on the link
//	                      device              the instance's interface
//	                      source              the kernel's choice
//	                      table               254, the main one
//	                      metric              0: the kernel's default
//
//	[[vrrp.rule]]         from or to          one of them must be set
//	                      table, priority     must be set
//
//	[[vrrp_group]]        name, members       must be set
//
//	[[service]]           name, server        must be set
//	                      address, addresses or fwmark      one of them must be set
//	                      family              "ipv4", with fwmark; else the addresses'; of both: two
//	                                          pools, the second named NAME-ipv6 (or -ipv4)
//	                      protocol            "tcp"; udp, sctp
//	                      scheduler           "wlc"
//	                      scheduler_flags     none
//	                      forward             "nat"; dr, tun
//	                      tunnel.type         "ipip"; gue, gre
//	                      tunnel.checksum     "none"; full, remote
//	                      persistence         absent: none
//	                      persistence.timeout "5m"
//	                      persistence.netmask 32 or 128: every client by itself
//	                      one_packet          false
//	                      quorum              1
//	                      hysteresis          0
//	                      panic_threshold     0.0, off
//	                      on_fail             "remove"; quiesce
//	                      slow_start          "0s"
//	                      drain_timeout       "5m"; "0s": no limit
//	                      initial             "down"; up
//	                      check, checks       absent: servers count as healthy
//	                      checks_needed       "all"; any, or how many of several checks must pass
//	                      standby_checks      "same"; slower (a quarter as often), off: while another director is
//	                                          master of the service
//
//	[[service.server]]    address             must be set; without a port, the service's
//	                      weight              1
//	                      max_connections     0: no limit
//	                      min_connections     0: the kernel's choice
//	                      backup              false
//	                      check, checks       the service's
//	                      checks_needed       "all", of the server's own checks
//
//	[service.check]       type                must be set: tcp, tls, http, https, grpc, dns, icmp, udp, smtp, redis,
//	                                          ldap, mysql, postgresql, imap, pop3, ftp, sip, radius, script,
//	                                          file, agent
//	                      address, port       the server's
//	                      source              source address of probes: as routed
//	                      interface, mark     outgoing interface and packet mark: as routed
//	                      through             absent: to the server itself; vip: to the first address of the service
//	                      interval            "2s"
//	                      fast_interval       interval
//	                      timeout             "1s", or interval if that is shorter
//	                      jitter              "0s"; at most half of interval
//	                      rise                2
//	                      fall                3
//	                      startup_grace       "0s"
//	                      flap_damping        absent: none
//	                      flap_damping.falls  3, so many falls
//	                      flap_damping.within "5m", in so long a time: a server that flaps,
//	                      flap_damping.hold   "1m", and must be well for so long without a break
//	  http and https      method              "GET"; HEAD, OPTIONS, POST
//	                      path                "/"
//	                      host                the address that is asked; grpc has it, too
//	                      headers             none
//	                      body                ""; of method POST
//	                      status              ["200-299"]
//	                      contains, regex, digest  one of them at most; "": any body
//	                      http_version        "1.1"; 2
//	                      follow_redirects    0
//	                      requests            none: the one request; each has method to digest
//	                      username            "": no basic authentication; redis, mysql, postgresql, ldap, imap, pop3, ftp and radius
//	                                          have it, too
//	                      password, password_file  ""; the same have them
//	  mysql, postgresql   database            "": of mysql none, of postgresql that of the user's name
//	  tcp, tls, udp       send                "": nothing; of udp it must be set; agent has it, too
//	                      expect              "": any answer, and over tcp none
//	  udp                 require_reply       true
//	  dns                 name                must be set
//	                      query_type          "A"
//	                      rcode               "NOERROR"
//	                      answer              "": any, or none
//	                      protocol            "udp"; tcp
//	  grpc                service             "": the server as a whole
//	  smtp                helo                "localhost"
//	                      starttls            false; imap, pop3, ftp and ldap have it, too
//	  ldap                base                "": the root DSE
//	  sip                 host, status        the address that is asked, ["200-299"]
//	                      protocol            "udp", with TLS "tcp"
//	  radius              secret, secret_file one of them must be set
//	  script              command             must be set
//	                      user                global.scripts.user
//	                      dynamic             false
//	  file                file                must be set
//
//	[service.check.tls]   verify              true
//	                      server_name         host, else the address that is asked
//	                      ca_file             the system's authorities
//	                      min_days            0: until it expires
//	                      cert_file, key_file none; both or neither
//
// Types https and tls speak TLS always, smtp, imap, pop3, ftp and ldap with starttls as
// well; without it those, grpc, sip and redis speak it from the start if they have a table
// tls, which may be empty; mysql and postgresql ask for it first, then.
package config
