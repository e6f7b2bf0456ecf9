package observe

import "github.com/prometheus/client_golang/prometheus"

// Collector shows the status snapshot as Prometheus metrics. It keeps nothing: each scrape reads the newest snapshot,
// so that a metric and `lbha status` never disagree.
type Collector struct {
	status func() *Status
	descs  map[string]*prometheus.Desc
}

// metrics is the table of all metrics: name, help, labels.
var metrics = []struct {
	name, help string
	labels     []string
}{
	{"build_info", "1, with the version as a label.", []string{"version"}},
	{"config_info", "1, with the hash of the configuration in force.", []string{"hash"}},
	{"config_reload_ok", "Whether the last reload was applied: 1 or 0.", nil},
	{"config_unconfirmed", "Whether the configuration in force is on trial, and will go unless somebody confirms it: 1 or 0.", nil},
	{"config_trials_total", "Configurations on trial, by outcome: confirmed, reverted; failed: tries to put the former one in force.", []string{"outcome"}},
	{"vrrp_state", "1 for the state that the instance is in, 0 for the others.", []string{"instance", "state"}},
	{"vrrp_priority", "Priority that the instance advertises, or would.", []string{"instance"}},
	{"vrrp_track_good", "Whether a tracked thing is good: 1, or 0 for bad and for not known.", []string{"instance", "kind", "target"}},
	{"vrrp_track_adjust", "What a tracked thing adds to the priority now.", []string{"instance", "kind", "target"}},
	{"vrrp_notify_waiting", "Transitions that wait to be told, by command or stream.", []string{"instance"}},
	{"vrrp_notify_commands_total", "Notify commands, by result: ok, failed, not-run.", []string{"instance", "result"}},
	{"vrrp_notify_lines_total", "Lines written to the notify stream.", []string{"instance"}},
	{"vrrp_notify_lost_total", "Transitions that were not told: too many waited for the command, or nobody read the stream.", []string{"instance", "by"}},
	{"vrrp_addresses_held", "Virtual IP addresses that the kernel has now.", []string{"instance"}},
	{"vrrp_transitions_total", "Changes of state.", []string{"instance"}},
	{"vrrp_adverts_sent_total", "Advertisements sent.", []string{"instance"}},
	{"vrrp_adverts_received_total", "Valid advertisements received.", []string{"instance"}},
	{"vrrp_adverts_plain_checksum_total", "Of these, with a checksum that leaves the pseudo header out (RFC 9568).", []string{"instance"}},
	{"vrrp_peer_priority", "Priority that another director of the instance advertised last.", []string{"instance", "peer"}},
	{"vrrp_finding", "1 for each thing that is wrong with the instance now.", []string{"instance", "reason"}},
	{"vrrp_adverts_dropped_total", "Packets that were refused, by reason.", []string{"instance", "reason"}},
	{"vrrp_adverts_late_total", "Advertisements sent later than scheduled by more than 20 ms or a tenth of the interval.", []string{"instance"}},
	{"vrrp_announcements_sent_total", "Announcements (gratuitous ARP) sent.", []string{"instance"}},
	{"interface_packets_dropped_total", "VRRP packets that were for no instance, or refused unexamined, by reason.", []string{"interface", "reason"}},
	{"service_alive_weight", "Weight of the servers that are alive.", []string{"service"}},
	{"service_fallback", "Whether backup servers are in use: 1 or 0.", []string{"service"}},
	{"servers", "Real servers, by verdict of their checks.", []string{"service", "state"}},
	{"check_latency_seconds", "Latency of the probes that passed.", []string{"service"}},
	{"check_results_total", "Probes, by type of check and result: ok, or the word for the failure.", []string{"service", "type", "result"}},
	{"checker_probes", "Distinct probes: checks that ask the same share theirs.", nil},
	{"checker_probes_running", "Probes that run now.", nil},
	{"checker_probes_started_total", "Probes started.", nil},
	{"checker_skipped_total", "Starts of probes left out because this process stalled.", nil},
	{"checker_late_total", "Failed probes that did not count because this process was late itself.", nil},
	{"checker_lag_seconds", "How late the checks have been of late; timeouts are longer by it.", nil},
	{"checker_max_lateness_seconds", "How late the checks have been at worst.", nil},
	{"server_up", "Verdict of the checks: 1 up, 0 down or unknown.", []string{"service", "server"}},
	{"server_in_table", "Whether the kernel's table has the server: 1 or 0.", []string{"service", "server"}},
	{"server_weight", "Weight in the kernel's table.", []string{"service", "server"}},
	{"server_connections", "Connections in the kernel, by kind.", []string{"service", "server", "kind"}},
	{"peer_live", "Whether another director was heard of late, and hears us: 1 or 0.", []string{"peer"}},
	{"peer_verdicts", "Checks of ours of which another director has told us its verdict.", []string{"peer"}},
	{"peer_checks_otherwise", "Checks of ours that another director asks otherwise under the same name.", []string{"peer"}},
	{"peer_verdicts_taken_total", "Verdicts taken over from other directors, on becoming master.", nil},
	{"peer_datagrams_sent_total", "Datagrams with verdicts sent to another director.", []string{"peer"}},
	{"peer_send_errors_total", "Datagrams that could not be sent.", []string{"peer"}},
	{"peer_datagrams_received_total", "Datagrams of another director that were used.", []string{"peer"}},
	{"peer_datagrams_dropped_total", "Datagrams that were not used, by reason.", []string{"peer", "reason"}},
	{"table_writes_total", "Operations applied to the kernel's table.", nil},
	{"table_drifts_total", "Foreign edits of the kernel's table that were found and repaired.", nil},
	{"table_error", "Whether the last look at the kernel's table failed: 1 or 0.", nil},
	{"journal_written_total", "Events written to the journal's file.", nil},
	{"journal_lost_total", "Events that are not in the journal's file, because its disk was full, or slow, for too long.", nil},
	{"elector_connected", "Whether the VRRP process answers: 1 or 0.", nil},
	{"elector_restarts_total", "Restarts of the VRRP process that this process has seen.", nil},
	{"findings", "Things that are wrong now, by reason.", []string{"reason"}},
	{"ground_findings", "Settings of this host that are wrong, or unwise, for the configuration.", []string{"severity", "reason"}},
}

// NewCollector makes a collector over the function that returns the newest snapshot.
func NewCollector(status func() *Status) *Collector {
	c := &Collector{status: status, descs: make(map[string]*prometheus.Desc)}
	for _, m := range metrics {
		c.descs[m.name] = prometheus.NewDesc("lbha_"+m.name, m.help, m.labels, nil)
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}
