package lvs

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"golang.org/x/sys/unix"
)

// Options is what the caller of a run may choose. It crosses into the world as JSON.
type Options struct {
	Only   []string `json:"only,omitempty"` // parts; empty: all
	Binary string   `json:"binary"`         // path of lbha
	// Connections is how many each of NAT and DR gets in a failover; 0: 200. Above a thousand they talk more rarely.
	Connections int `json:"connections,omitempty"`
}

// part is a group of demands.
type part struct {
	name, title string
	pair        bool // needs the directors
	do          func(*session, context.Context) error
}

var parts = []part{
	{"schedulers", "schedulers: 1,000 connections each, by NAT", false, (*session).schedulers},
	{"packets", "packets on the wire", true, (*session).packets},
	{"services", "services: every kind, servers that drain, tunnels", true, (*session).services},
	{"load", "load while the pool is changed: ab -c 10 -n 10000", true, (*session).load},
	{"failover", "failover with connection synchronisation: connections in NAT and DR that talk all the time", true, (*session).failover},
	{"disagree", "disagree: directors that synchronise under two IDs, and on two interfaces", true, (*session).disagree},
}

// session is a run of the parts.
type session struct {
	net       *network
	directors [2]*drive.Director
	say       func(string, ...any)
	talkers   int    // of a failover, in each of NAT and DR
	title     string // of the part under way
	report    *Report
}

const openFiles = 1 << 16

// Run plays the parts.
func Run(ctx context.Context, o Options, say func(string, ...any)) (*Report, error) {
	for _, name := range o.Only {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return nil, fmt.Errorf("no part is called %q", name)
		}
	}
	// Observers and clients block in system calls, and must not wait for one of Go's processors when they return.
	runtime.GOMAXPROCS(16)
	// Both ends of every connection are in this process.
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: openFiles, Max: openFiles}); err != nil {
		return nil, fmt.Errorf("raise the limit of open files: %w", err)
	}
	begin := time.Now()
	say("network: two segments, two directors, two real servers, a client")
	n, err := build(o.Binary)
	if err != nil {
		return nil, err
	}
	s := &session{net: n, say: say, talkers: cmp.Or(o.Connections, conversations), report: new(Report)}
	if err := s.servers(); err != nil {
		return nil, err
	}
	for _, p := range parts {
		if len(o.Only) > 0 && !slices.Contains(o.Only, p.name) {
			continue
		}
		if p.pair && s.directors[0] == nil {
			if err := s.start(ctx); err != nil {
				return nil, fmt.Errorf("%w\nd1 said:\n%s", err, s.directors[0].Log(0, s.directors[0].LogSize()))
			}
		}
		s.title = p.title
		say("%s", p.title)
		if err := p.do(s, ctx); err != nil {
			// What else there is can still be shown.
			s.find("could be played", false, "%v", err)
		}
	}
	s.report.Took = time.Since(begin)
	return s.report, ctx.Err()
}

// servers makes real servers of two bare hosts.
func (s *session) servers() error {
	s.say("real servers: lbha realserver up; nginx, and servers of the lab's own")
	for i, rs := range s.net.real {
		for _, v := range virtual {
			if v.mode == "nat" {
				continue
			}
			if err := s.net.prepare(rs, "--vip", v.addr.String(), "--mode", v.mode); err != nil {
				return err
			}
		}
		if err := s.net.startWeb(i); err != nil {
			return err
		}
		if err := serveNumber(rs.Host); err != nil {
			return err
		}
		if err := serveTalk(rs.Host); err != nil {
			return err
		}
	}
	return nil
}

// find adds a finding, and tells it.
func (s *session) find(name string, ok bool, format string, args ...any) {
	f := Finding{Part: s.title, Name: name, OK: ok, Measured: fmt.Sprintf(format, args...)}
	s.report.Findings = append(s.report.Findings, f)
	verdict := "ok"
	if !ok {
		verdict = "FAILED"
	}
	s.say("  %-6s %s: %s", verdict, f.Name, f.Measured)
}
