package observe

import "github.com/prometheus/client_golang/prometheus"

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	st := c.status()
	if st == nil {
		return
	}
	s := scrape{c.descs, ch}
	s.daemon(st)
	for i := range st.Instances {
		s.instance(&st.Instances[i], st.Findings)
	}
	for name, dropped := range st.Interfaces {
		for reason, n := range dropped {
			s.counter("interface_packets_dropped_total", n, name, reason)
		}
	}
	s.checker(&st.Checker)
	for i := range st.Services {
		s.service(&st.Services[i])
	}
	s.exchange(st.Exchange)
	s.findings(st)
}

// scrape is one collection: where to, of what is described.
type scrape struct {
	descs map[string]*prometheus.Desc
	ch    chan<- prometheus.Metric
}

func (s scrape) gauge(name string, v float64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(s.descs[name], prometheus.GaugeValue, v, labels...)
}

func (s scrape) counter(name string, v uint64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(s.descs[name], prometheus.CounterValue, float64(v), labels...)
}

// daemon shows what there is one of: the configuration, the table, the journal, the VRRP process.
func (s scrape) daemon(st *Status) {
	s.gauge("build_info", 1, st.Version)
	s.gauge("config_info", 1, st.Config.Hash)
	s.gauge("config_reload_ok", one(st.Config.Reload == nil || st.Config.Reload.OK))
	s.gauge("config_unconfirmed", one(st.Config.Trial != nil))
	s.counter("config_trials_total", st.Config.Trials.Confirmed, "confirmed")
	s.counter("config_trials_total", st.Config.Trials.Reverted, "reverted")
	s.counter("config_trials_total", st.Config.Trials.Failed, "failed")
	s.gauge("elector_connected", one(st.Elector.Connected))
	s.counter("elector_restarts_total", uint64(st.Elector.Restarts))
	s.counter("table_writes_total", st.Table.Writes)
	s.counter("table_drifts_total", st.Table.Drifts)
	s.gauge("table_error", one(st.Table.Error != ""))
	s.counter("journal_written_total", st.Journal.Written)
	s.counter("journal_lost_total", st.Journal.Lost)
}

// instance shows an instance; findings are those of all things.
func (s scrape) instance(in *Instance, findings []Finding) {
	for _, state := range []string{"initialize", "backup", "master", "fault"} {
		s.gauge("vrrp_state", one(in.State == state), in.Name, state)
	}
	s.gauge("vrrp_priority", float64(in.Priority), in.Name)
	s.tracks(in)
	s.notify(in)
	s.gauge("vrrp_addresses_held", float64(len(in.Held)), in.Name)
	s.counter("vrrp_transitions_total", in.Transition, in.Name)
	s.counter("vrrp_adverts_sent_total", in.Sent, in.Name)
	s.counter("vrrp_adverts_received_total", in.Received, in.Name)
	s.counter("vrrp_adverts_plain_checksum_total", in.Plain, in.Name)
	for _, p := range in.Peers {
		s.gauge("vrrp_peer_priority", float64(p.Priority), in.Name, p.Address)
	}
	seen := make(map[string]bool) // each reason is shown once
	for _, f := range findings {
		if f.Object == in.Name && !seen[f.Reason] {
			seen[f.Reason] = true
			s.gauge("vrrp_finding", 1, in.Name, f.Reason)
		}
	}
	s.counter("vrrp_adverts_late_total", in.Late, in.Name)
	s.counter("vrrp_announcements_sent_total", in.Announced, in.Name)
	for reason, n := range in.Dropped {
		s.counter("vrrp_adverts_dropped_total", n, in.Name, reason)
	}
}

// tracks shows what an instance tracks. Two tracks of one target, such as one script with two arguments, are one series:
// good if both are.
func (s scrape) tracks(in *Instance) {
	type thing struct{ kind, target string }
	good, adjust := make(map[thing]float64), make(map[thing]float64)
	for _, t := range in.Tracks {
		k := thing{t.Kind, t.Target}
		if _, again := good[k]; !again || t.State != "good" {
			good[k] = one(t.State == "good")
		}
		adjust[k] += float64(t.Adjust)
	}
	for k := range good {
		s.gauge("vrrp_track_good", good[k], in.Name, k.kind, k.target)
		s.gauge("vrrp_track_adjust", adjust[k], in.Name, k.kind, k.target)
	}
}

// notify shows how the telling of an instance goes, if it is told of.
func (s scrape) notify(in *Instance) {
	n := in.Notify
	if n == nil {
		return
	}
	s.gauge("vrrp_notify_waiting", float64(n.Waiting+n.Unread), in.Name)
	s.counter("vrrp_notify_commands_total", n.Ran-n.Failed, in.Name, "ok")
	s.counter("vrrp_notify_commands_total", n.Failed, in.Name, "failed")
	s.counter("vrrp_notify_commands_total", n.NotRun, in.Name, "not-run")
	s.counter("vrrp_notify_lines_total", n.Lines, in.Name)
	s.counter("vrrp_notify_lost_total", n.Dropped, in.Name, "command")
	s.counter("vrrp_notify_lost_total", n.Lost, in.Name, "stream")
}

// checker shows what runs the probes.
func (s scrape) checker(c *Checker) {
	s.gauge("checker_probes", float64(c.Probes))
	s.gauge("checker_probes_running", float64(c.Running))
	s.counter("checker_probes_started_total", c.Started)
	s.counter("checker_skipped_total", c.Skipped)
	s.counter("checker_late_total", c.Late)
	s.gauge("checker_lag_seconds", c.Lag.Seconds())
	s.gauge("checker_max_lateness_seconds", c.MaxLag.Seconds())
}

// service shows a service, its servers and its checks.
func (s scrape) service(v *Service) {
	states := map[string]int{"up": 0, "down": 0, "unknown": 0}
	for _, r := range v.Servers {
		states[r.State]++
	}
	for state, n := range states {
		s.gauge("servers", float64(n), v.Name, state)
	}
	s.ch <- prometheus.MustNewConstHistogram(s.descs["check_latency_seconds"], v.Latency.Count, v.Latency.Sum.Seconds(), v.Latency.cumulative(), v.Name)
	for _, r := range v.Results {
		s.counter("check_results_total", r.Count, v.Name, r.Type, r.Result)
	}
	s.gauge("service_alive_weight", float64(v.Alive), v.Name)
	s.gauge("service_fallback", one(v.Fallback), v.Name)
	for _, r := range v.Servers {
		s.gauge("server_up", one(r.State == "up"), v.Name, r.Address)
		s.gauge("server_in_table", one(r.InTable), v.Name, r.Address)
		s.gauge("server_weight", float64(r.Weight), v.Name, r.Address)
		s.gauge("server_connections", float64(r.Active), v.Name, r.Address, "active")
		s.gauge("server_connections", float64(r.Inactive), v.Name, r.Address, "inactive")
	}
}

// exchange shows the channel to the other directors, if there is one.
func (s scrape) exchange(e *Exchange) {
	if e == nil {
		return
	}
	s.counter("peer_verdicts_taken_total", e.Taken)
	s.counter("peer_datagrams_dropped_total", e.Unknown, "unknown", "unknown-sender")
	s.counter("peer_datagrams_dropped_total", e.Overrun, "any", "overrun")
	for _, p := range e.Peers {
		s.gauge("peer_live", one(p.State == "live"), p.Address)
		s.gauge("peer_verdicts", float64(p.Verdicts), p.Address)
		s.gauge("peer_checks_otherwise", float64(p.Otherwise), p.Address)
		s.counter("peer_datagrams_sent_total", p.Sent, p.Address)
		s.counter("peer_send_errors_total", p.SendErrors, p.Address)
		s.counter("peer_datagrams_received_total", p.Received, p.Address)
		for reason, n := range p.Dropped {
			s.counter("peer_datagrams_dropped_total", n, p.Address, reason)
		}
	}
}

// findings counts what is wrong, by its word.
func (s scrape) findings(st *Status) {
	wrong := make(map[string]int)
	for _, f := range st.Findings {
		wrong[f.Reason]++
	}
	for reason, n := range wrong {
		s.gauge("findings", float64(n), reason)
	}
	ground := make(map[[2]string]int)
	for _, g := range st.Ground {
		ground[[2]string{g.Severity, g.Reason}]++
	}
	for is, n := range ground {
		s.gauge("ground_findings", float64(n), is[0], is[1])
	}
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
