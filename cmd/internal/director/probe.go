package director

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/healthcheck/probe"
)

// Probe is one check of one server, as the daemon would run it, to be run once by hand.
type Probe struct {
	Service, Server string
	Type            healthcheck.Type
	Target          string // what is asked; empty: nothing over the network
	Timeout         time.Duration

	prober  healthcheck.Prober
	secrets [][]byte
}

// Probes returns the checks of a server or, without a name, of all servers of a service.
func Probes(cfg *config.Config, service, server string) ([]Probe, error) {
	var all []Probe
	if server != "" {
		s, r, err := find(cfg, service, server)
		if err != nil {
			return nil, err
		}
		return appendProbes(all, newMarks(cfg), s, r)
	}
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if s.Name != service {
			continue
		}
		for j := range s.Servers {
			var err error
			if all, err = appendProbes(all, newMarks(cfg), s, &s.Servers[j]); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	return nil, fmt.Errorf("no service %q in the configuration", service)
}

func appendProbes(all []Probe, paths marks, s *config.Service, r *config.Server) ([]Probe, error) {
	for n, c := range s.ChecksOf(r) {
		check, err := newCheck(s, r, n, &c, paths)
		if err != nil {
			return nil, err
		}
		p := Probe{Service: s.Name, Server: r.Address.String(), Type: c.Type, Target: check.Target, Timeout: c.Timeout, prober: check.Prober}
		p.hide(&c)
		all = append(all, p)
	}
	return all, nil
}

// hide keeps the secrets of a check out of the conversation that is shown.
func (p *Probe) hide(c *config.Check) {
	secrets := []config.Secret{c.Password, c.Secret}
	for _, h := range c.Headers {
		secrets = append(secrets, h.Value)
	}
	for _, s := range secrets {
		if text := s.Reveal(); text != "" {
			p.secrets = append(p.secrets, []byte(text))
		}
	}
	if text := c.Password.Reveal(); text != "" { // basic authentication, and PLAIN
		p.secrets = append(p.secrets, []byte(base64.StdEncoding.EncodeToString([]byte(c.Username+":"+text))))
		p.secrets = append(p.secrets, []byte(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text))) // as IMAP quotes it
	}
}

// Run asks once, and tells each step.
func (p *Probe) Run(ctx context.Context, hear func(probe.Step)) healthcheck.Result {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	begin := time.Now()
	r := p.prober.Probe(probe.WithTrace(ctx, func(s probe.Step) {
		for _, secret := range p.secrets {
			s.Data = bytes.ReplaceAll(s.Data, secret, []byte("(hidden)"))
		}
		hear(s)
	}))
	r.At = time.Now()
	r.Latency = r.At.Sub(begin)
	return r
}
