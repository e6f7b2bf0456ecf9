package drive

import (
	"cmp"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	"github.com/lbha/lbha/integration/internal/netlab"
)

// Rules are the table that the settings give while every server is healthy, as ipvsadm writes it; sorted.
func (s Settings) Rules() (rules []string) {
	for _, service := range []struct {
		key, options string
		port         uint16
	}{{"-t", "", PortHTTP}, {"-u", " -o", PortEcho}} {
		key := service.key + " " + netip.AddrPortFrom(netlab.VIP, service.port).String()
		rules = append(rules, "-A "+key+" -s "+s.scheduler()+service.options)
		for _, server := range s.Servers {
			rules = append(rules, fmt.Sprintf("-a %s -r %s -g -w 1", key, netip.AddrPortFrom(server, service.port)))
		}
	}
	slices.Sort(rules)
	return rules
}

// scheduler is the services', as ipvsadm writes it.
func (s Settings) scheduler() string { return cmp.Or(s.Scheduler, "rr") }

// setTable makes the host's table what the settings say, as somebody does who has a static one: rules that are right stay, and connections
// with them. A director without servers has no table.
func setTable(d *Director) error {
	if len(d.Settings.Servers) == 0 {
		return nil
	}
	text, err := d.Host.Output("ipvsadm", "--save", "--numeric")
	if err != nil {
		return err
	}
	edits := edits(strings.Split(strings.TrimSpace(text), "\n"), d.Settings.Rules())
	if len(edits) == 0 {
		return nil
	}
	cmd := exec.Command("ipvsadm", "--restore")
	cmd.Stdin = strings.NewReader(strings.Join(edits, "\n") + "\n")
	var said strings.Builder
	cmd.Stderr = &said
	if err = d.Host.Start(cmd); err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return fmt.Errorf("set the table of %s: %w: %s", d.Host.Name, err, strings.TrimSpace(said.String()))
	}
	return nil
}

// edits are the commands of ipvsadm that make one table of another: what is gone first, servers before their services.
func edits(from, to []string) (list []string) {
	for _, rule := range from {
		if slices.Contains(to, rule) {
			continue
		}
		switch word := strings.Fields(rule); {
		case len(word) > 4 && word[0] == "-a":
			list = append(list, "-d "+strings.Join(word[1:5], " "))
		case len(word) > 2:
			list = append(list, "-D "+strings.Join(word[1:3], " "))
		}
	}
	slices.SortFunc(list, func(a, b string) int { return strings.Compare(b, a) })
	for _, rule := range to {
		if !slices.Contains(from, rule) {
			list = append(list, rule)
		}
	}
	return list
}
