package director

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/healthcheck/probe"
)

// separator stands in check IDs, "www/10.9.0.3:80/http", between the service, the server and the check.
const separator = "/"

// newPools lays out the pools of a configuration and the checks of their servers. What is known of a server already
// goes into its checks: the saved verdict, or that the kernel's table gives it connections. The services of which there
// is a pool in same are as they were when that was laid out.
func newPools(cfg *config.Config, before saved, found carried, same map[string]*pool) ([]*pool, []healthcheck.Check, error) {
	pools := []*pool{} // nil: not known yet
	n := 0
	for i := range cfg.Services {
		for j := range cfg.Services[i].Servers {
			n += len(cfg.Services[i].ChecksOf(&cfg.Services[i].Servers[j]))
		}
	}
	all := make([]healthcheck.Check, 0, n)
	paths := newMarks(cfg)
	for i := range cfg.Services {
		s := &cfg.Services[i]
		p := &pool{service: s}
		first := len(all)
		if former := same[s.Name]; former != nil && former.lasting() {
			p.checks, p.paths = former.checks, former.paths
			all = append(all, former.made...)
		} else {
			p.checks, p.paths = make([][]string, len(s.Servers)), marks{}
			for j := range s.Servers {
				server := &s.Servers[j]
				configured := s.ChecksOf(server)
				for n := range configured { // each is large
					c := &configured[n]
					if way, through := pathOf(s, server, c); through {
						p.paths[way] = paths[way]
					}
					check, err := newCheck(s, server, n, c, paths)
					if err != nil {
						return nil, nil, err
					}
					p.checks[j] = append(p.checks[j], check.ID)
					all = append(all, check)
				}
			}
		}
		p.made = all[first:len(all):len(all)]
		p.begin(before, found)
		pools = append(pools, p)
	}
	return pools, all, nil
}

// begin says where the checks of the pool begin that are new.
func (p *pool) begin(before saved, found carried) {
	made := p.made
	for j := range p.checks {
		adopted := found.serving(p.service, &p.service.Servers[j])
		for range p.checks[j] {
			check := &made[0]
			made = made[1:]
			check.Saved, check.Adopted = nil, adopted
			// A verdict that nobody has watched over is good enough to keep a server in, not to put one in.
			if v, ok := before.Verdicts[check.ID]; ok && (!before.old || v.Verdict != healthcheck.Up || adopted) {
				saved := v // v itself would be in memory for each check that has none
				check.Saved = &saved
			}
		}
	}
}

// lasting reports whether the probes of the pool are what its configuration alone makes of them, so that they can stay
// while it does. Certificates are read, and users looked up, whenever a configuration is; the mark of a path depends on
// all that the configuration names.
func (p *pool) lasting() bool {
	for j := range p.service.Servers {
		checks := p.service.ChecksOf(&p.service.Servers[j])
		for n := range checks {
			if c := &checks[n]; c.TLS != nil || c.User != "" || c.Through != "" {
				return false
			}
		}
	}
	return true
}

// newCheck makes check number n of a server.
func newCheck(s *config.Service, server *config.Server, n int, c *config.Check, paths marks) (healthcheck.Check, error) {
	// The index is part of the identity only where it must be, so that a check keeps its state when another is added
	// after it, or when the only one changes its path.
	id := s.Name + separator + server.Address.String() + separator + string(c.Type)
	if n > 0 {
		id += fmt.Sprintf("#%d", n+1)
	}
	opts, err := probeOptions(c, target(s, server, c))
	if err != nil {
		return healthcheck.Check{}, fmt.Errorf("check %s: %w", id, err)
	}
	if way, through := pathOf(s, server, c); through {
		opts.Dial.Through, opts.Dial.Mark = way.server, paths[way]
	}
	prober, err := probe.New(opts)
	if err != nil {
		return healthcheck.Check{}, fmt.Errorf("check %s: %w", id, err)
	}
	return healthcheck.Check{
		ID:     id,
		Group:  s.Name,
		Target: opts.Target.String(),
		Spec: healthcheck.Spec{
			Interval:     c.Interval,
			FastInterval: c.FastInterval,
			Timeout:      c.Timeout,
			Jitter:       c.Jitter,
			Policy:       checkPolicy(s, c),
		},
		ProbeKey: opts.Key(),
		Prober:   prober,
	}, nil
}

// checkPolicy says when a verdict changes.
func checkPolicy(s *config.Service, c *config.Check) healthcheck.Policy {
	p := healthcheck.Policy{Rise: c.Rise, Fall: c.Fall, Initial: s.Initial, Grace: c.Grace}
	if d := c.Damping; d != nil {
		p.Damping = healthcheck.Damping{Falls: d.Falls, Window: d.Within, Hold: d.Hold}
	}
	return p
}

// probeOptions says in the words of package probe what the check does. It reads the files of certificates.
func probeOptions(c *config.Check, target netip.AddrPort) (probe.Options, error) {
	opts := probe.Options{
		Type:     c.Type,
		Target:   target,
		Dial:     probe.Dial{Source: c.Source, Interface: c.Interface, Mark: c.Mark},
		Exchange: probe.Exchange{Send: c.Send, Expect: c.Expect, NoReply: !c.RequireReply},
		HTTP:     httpRequest(c, &c.Request),
		Login:    probe.Login{User: c.Username, Password: c.Password.Reveal()},
		Database: c.Database,
		GRPC:     probe.GRPC{Service: c.GRPCService},
		DNS:      probe.DNS{Name: c.Query, Type: c.QueryType, RCode: c.RCode, Answer: c.Answer, TCP: c.Protocol == "tcp"},
		StartTLS: c.StartTLS,
		SMTP:     probe.SMTP{Hello: c.Helo},
		LDAP:     probe.LDAP{Base: c.Base},
		SIP:      probe.SIP{Host: c.Host, TCP: c.Protocol == "tcp", Status: c.Status},
		RADIUS:   probe.RADIUS{Secret: c.Secret.Reveal()},
		Script:   probe.Script{Command: c.Command, User: c.User, Dynamic: c.Dynamic},
		File:     c.File,
	}
	for i := range c.Requests {
		opts.Requests = append(opts.Requests, httpRequest(c, &c.Requests[i]))
	}
	if c.TLS == nil {
		return opts, nil
	}
	opts.TLS = probe.TLS{Enabled: true, ServerName: c.TLS.ServerName, Insecure: !c.TLS.Verify, MinDays: c.TLS.MinDays}
	for _, f := range []struct {
		path string
		text *string
	}{{c.TLS.CAFile, &opts.TLS.Roots}, {c.TLS.CertFile, &opts.TLS.Cert}, {c.TLS.KeyFile, &opts.TLS.Key}} {
		if f.path == "" {
			continue
		}
		text, err := os.ReadFile(f.path)
		if err != nil {
			return opts, err
		}
		*f.text = string(text)
	}
	return opts, nil
}

// httpRequest says it for one request of an HTTP check.
func httpRequest(c *config.Check, q *config.Request) probe.HTTP {
	h := probe.HTTP{
		Method: q.Method, Path: q.Path, Host: q.Host, Body: q.Body, Status: q.Status, Contains: q.Contains, Regex: q.Regex, Digest: q.Digest,
		HTTP2: c.HTTPVersion == "2", Redirects: c.Redirects,
	}
	for _, f := range q.Headers {
		h.Headers = append(h.Headers, probe.Header{Name: f.Name, Value: f.Value.Reveal()})
	}
	return h
}

// target is what the check asks: its own address and port, the virtual address through which it goes, or the server's; a server without a port is asked on the
// port of its virtual service.
func target(s *config.Service, server *config.Server, c *config.Check) netip.AddrPort {
	t := server.Address
	if c.Through != "" && len(s.Keys) > 0 {
		t = s.Keys[0].Addr()
	}
	if t.Port() == 0 && len(s.Keys) > 0 {
		t = s.Destination(s.Keys[0], server)
	}
	if c.Address.IsValid() {
		t = netip.AddrPortFrom(c.Address, t.Port())
	}
	if c.Port != 0 {
		t = netip.AddrPortFrom(t.Addr(), c.Port)
	}
	return t
}

// owner splits a check's ID into service and server.
func owner(id string) (service, server string) {
	service, rest, _ := strings.Cut(id, separator)
	server, _, _ = strings.Cut(rest, separator)
	return service, server
}

// kindOf is the type in a check's ID.
func kindOf(id string) string {
	kind, _, _ := strings.Cut(id[strings.LastIndex(id, separator)+1:], "#")
	return kind
}
