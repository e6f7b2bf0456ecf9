package config

import (
	"reflect"
	"time"

	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
)

// rawConfig is the document as written. See decode.go for how shapes and tags are read.
type rawConfig struct {
	Node     *node
	Include  list[opt[string]] `toml:"include"`
	Global   *rawGlobal        `toml:"global global_defs"`
	Defaults *rawDefaults      `toml:"defaults"`
	VRRP     list[rawVRRP]     `toml:"vrrp vrrp_instance instance"`
	Groups   list[rawGroup]    `toml:"vrrp_group vrrp_sync_group group"`
	Services list[rawService]  `toml:"service virtual_server services"`
}

type rawDefaults struct {
	Node    *node
	VRRP    *rawVRRP    `toml:"vrrp"`
	Service *rawService `toml:"service"`
}

type rawGlobal struct {
	Node      *node
	Name      opt[string]    `toml:"name router_id hostname"`
	Control   opt[string]    `toml:"control socket"`
	StateDir  opt[string]    `toml:"state_dir"`
	Metrics   opt[string]    `toml:"metrics prometheus"`
	Log       *rawLog        `toml:"log"`
	Exclusive opt[bool]      `toml:"exclusive lvs_flush"`
	Scripts   *rawScripts    `toml:"scripts script_user"`
	IPVS      *rawGlobalIPVS `toml:"ipvs"`
	Peers     *rawPeers      `toml:"peers peer"`
}

type rawPeers struct {
	Node       *node
	Listen     opt[string]       `toml:"listen bind address"`
	Directors  list[opt[string]] `toml:"directors peers servers"`
	Key        opt[Secret]       `toml:"key secret"`
	KeyFile    opt[string]       `toml:"key_file"`
	Credential opt[string]       `toml:"credential"`
}

type rawLog struct {
	Node   *node
	Level  opt[string] `toml:"level"`
	Format opt[string] `toml:"format"`
}

type rawScripts struct {
	Node    *node
	User    opt[string]        `toml:"user"`
	Timeout opt[time.Duration] `toml:"timeout"`
}

type rawGlobalIPVS struct {
	Node     *node
	Timeouts *rawTimeouts `toml:"timeouts lvs_timeouts"`
	Sync     *rawSync     `toml:"sync lvs_sync_daemon"`
}

type rawTimeouts struct {
	Node   *node
	TCP    opt[time.Duration] `toml:"tcp"`
	TCPFin opt[time.Duration] `toml:"tcp_fin tcpfin"`
	UDP    opt[time.Duration] `toml:"udp"`
}

type rawSync struct {
	Node      *node
	Interface opt[string] `toml:"interface"`
	ID        opt[int]    `toml:"id syncid"`
}

type rawVRRP struct {
	Node           *node
	Name           opt[string]        `toml:"name"`
	Interface      opt[string]        `toml:"interface dev"`
	ID             opt[vrrp.VRID]     `toml:"id virtual_router_id vrid"`
	Version        opt[vrrp.Version]  `toml:"version vrrp_version"`
	Priority       opt[vrrp.Priority] `toml:"priority"`
	Interval       opt[time.Duration] `toml:"interval advert_int"`
	Preempt        opt[bool]          `toml:"preempt nopreempt"`
	PreemptDelay   opt[time.Duration] `toml:"preempt_delay"`
	StartupDelay   opt[time.Duration] `toml:"startup_delay vrrp_startup_delay"`
	DownAdverts    opt[int]           `toml:"down_adverts down_timer_adverts"`
	Addresses      list[rawAddress]   `toml:"addresses virtual_ipaddress address"`
	ExtraAddresses list[rawAddress]   `toml:"extra_addresses virtual_ipaddress_excluded"`
	AddressLease   opt[AddressLease]  `toml:"address_lease"`
	VirtualMAC     opt[bool]          `toml:"virtual_mac use_vmac"`
	Unicast        *rawUnicast        `toml:"unicast unicast_peer unicast_src_ip"`
	Checksum       opt[string]        `toml:"checksum"`
	Auth           *rawAuth           `toml:"auth authentication"`
	Announce       *rawAnnounce       `toml:"announce garp_master_delay garp_master_refresh garp_master_repeat"`
	Notify         *rawNotify         `toml:"notify notify_master notify_backup notify_fault"`
	Tracks         list[rawTrack]     `toml:"track track_interface track_script track_process track_file tracks"`
	Routes         list[rawRoute]     `toml:"route virtual_routes routes"`
	Rules          list[rawRule]      `toml:"rule virtual_rules rules"`
}

// rawAddress is a virtual address: a string, or a table.
type rawAddress struct {
	Node      *node
	Address   opt[string] `toml:"address ip"`
	Interface opt[string] `toml:"interface dev"`
	Label     opt[string] `toml:"label"`
	Scope     opt[string] `toml:"scope"`
}

func (a *rawAddress) decode(r *report, n *node) {
	if n.kind == table {
		decodeTable(r, n, reflect.ValueOf(a).Elem())
		return
	}
	a.Node = n
	a.Address.decode(r, n)
}

type rawUnicast struct {
	Node   *node
	Source opt[string]       `toml:"source src"`
	Peers  list[opt[string]] `toml:"peers peer"`
	MinTTL opt[int]          `toml:"min_ttl"`
	MaxTTL opt[int]          `toml:"max_ttl"`
}

type rawAuth struct {
	Node       *node
	Type       opt[string]        `toml:"type auth_type"`
	Key        opt[Secret]        `toml:"key auth_pass password"`
	KeyFile    opt[string]        `toml:"key_file"`
	Credential opt[string]        `toml:"credential"`
	Keys       list[rawAuthKey]   `toml:"keys auth_hmac"`
	Active     opt[int]           `toml:"active active_key"`
	Mode       opt[string]        `toml:"mode"`
	Replay     opt[string]        `toml:"replay"`
	Window     opt[time.Duration] `toml:"window"`
}

type rawAuthKey struct {
	Node       *node
	ID         opt[int]    `toml:"id key_id"`
	Key        opt[Secret] `toml:"key secret"`
	KeyFile    opt[string] `toml:"key_file"`
	Credential opt[string] `toml:"credential"`
}

type rawRoute struct {
	Node        *node
	Destination opt[string] `toml:"destination dst to"`
	Via         opt[string] `toml:"via gateway gw"`
	Device      opt[string] `toml:"device dev interface"`
	Source      opt[string] `toml:"source src"`
	Table       opt[int]    `toml:"table"`
	Metric      opt[int]    `toml:"metric"`
}

type rawRule struct {
	Node     *node
	From     opt[string] `toml:"from"`
	To       opt[string] `toml:"to"`
	Table    opt[int]    `toml:"table lookup"`
	Priority opt[int]    `toml:"priority preference pref"`
}

type rawAnnounce struct {
	Node        *node
	Count       opt[int]           `toml:"count repeat"`
	RepeatAfter opt[time.Duration] `toml:"repeat_after delay"`
	Refresh     opt[time.Duration] `toml:"refresh"`
	Gap         opt[time.Duration] `toml:"gap interval"`
}

type rawNotify struct {
	Node    *node
	Command list[opt[string]]  `toml:"command script"`
	User    opt[string]        `toml:"user"`
	Timeout opt[time.Duration] `toml:"timeout"`
	Stream  opt[string]        `toml:"stream fifo notify_fifo"`
}

type rawTrack struct {
	Node      *node
	Interface opt[string]        `toml:"interface"`
	Service   opt[string]        `toml:"service"`
	Script    list[opt[string]]  `toml:"script"`
	File      opt[string]        `toml:"file"`
	Process   opt[string]        `toml:"process"`
	Instance  opt[string]        `toml:"instance"`
	Weight    opt[int]           `toml:"weight"`
	Interval  opt[time.Duration] `toml:"interval"`
	Timeout   opt[time.Duration] `toml:"timeout"`
	Rise      opt[int]           `toml:"rise"`
	Fall      opt[int]           `toml:"fall"`
	User      opt[string]        `toml:"user"`
}

type rawGroup struct {
	Node    *node
	Name    opt[string]       `toml:"name"`
	Members list[opt[string]] `toml:"members group"`
}

type rawService struct {
	Node           *node
	Name           opt[string]           `toml:"name"`
	Address        opt[string]           `toml:"address"`
	Addresses      list[opt[string]]     `toml:"addresses"`
	FWMark         opt[mark]             `toml:"fwmark mark"`
	Family         opt[ipvs.Family]      `toml:"family inet"`
	Protocol       opt[ipvs.Protocol]    `toml:"protocol proto"`
	Scheduler      opt[ipvs.Scheduler]   `toml:"scheduler lb_algo lvs_sched"`
	Flags          list[opt[ipvs.Flag]]  `toml:"scheduler_flags flags"`
	Forward        opt[ipvs.Forward]     `toml:"forward lb_kind lvs_method method"`
	Tunnel         *rawTunnel            `toml:"tunnel"`
	Persistence    *rawPersistence       `toml:"persistence persistence_timeout persistent"`
	OnePacket      opt[bool]             `toml:"one_packet ops"`
	Quorum         opt[int]              `toml:"quorum"`
	Hysteresis     opt[int]              `toml:"hysteresis"`
	PanicThreshold opt[float64]          `toml:"panic_threshold"`
	OnFail         opt[ipvs.OnFail]      `toml:"on_fail inhibit_on_failure"`
	SlowStart      opt[time.Duration]    `toml:"slow_start slowstart"`
	DrainTimeout   opt[time.Duration]    `toml:"drain_timeout"`
	Initial        opt[string]           `toml:"initial alpha"`
	Check          *rawCheck             `toml:"check"`
	Checks         list[rawCheck]        `toml:"checks"`
	ChecksNeeded   opt[healthcheck.Need] `toml:"checks_needed need require min_checks"`
	StandbyChecks  opt[healthcheck.Pace] `toml:"standby_checks"`
	Servers        list[rawServer]       `toml:"server real_server servers backend"`
}

type rawTunnel struct {
	Node     *node
	Type     opt[ipvs.TunnelType]     `toml:"type"`
	Port     opt[int]                 `toml:"port"`
	Checksum opt[ipvs.TunnelChecksum] `toml:"checksum"`
}

type rawPersistence struct {
	Node    *node
	Timeout opt[time.Duration] `toml:"timeout"`
	Netmask opt[int]           `toml:"netmask persistence_granularity"`
}

type rawServer struct {
	Node           *node
	Address        opt[string]           `toml:"address ip"`
	Weight         opt[ipvs.Weight]      `toml:"weight"`
	MaxConnections opt[int]              `toml:"max_connections uthreshold upper_threshold maxconn"`
	MinConnections opt[int]              `toml:"min_connections lthreshold lower_threshold"`
	Backup         opt[bool]             `toml:"backup sorry_server"`
	Check          *rawCheck             `toml:"check"`
	Checks         list[rawCheck]        `toml:"checks"`
	ChecksNeeded   opt[healthcheck.Need] `toml:"checks_needed need require min_checks"`
}

type rawCheck struct {
	Node         *node
	Type         opt[healthcheck.Type]              `toml:"type prober"`
	Address      opt[string]                        `toml:"address connect_ip addr"`
	Port         opt[int]                           `toml:"port connect_port"`
	Source       opt[string]                        `toml:"source bindto source_ip_address source_address"`
	Interface    opt[string]                        `toml:"interface dev"`
	Mark         opt[mark]                          `toml:"mark fwmark"`
	Through      opt[string]                        `toml:"through via"`
	Interval     opt[time.Duration]                 `toml:"interval delay_loop inter"`
	FastInterval opt[time.Duration]                 `toml:"fast_interval fastinter"`
	Timeout      opt[time.Duration]                 `toml:"timeout connect_timeout"`
	Jitter       opt[time.Duration]                 `toml:"jitter spread_checks"`
	Rise         opt[int]                           `toml:"rise"`
	Fall         opt[int]                           `toml:"fall retry retries"`
	Grace        opt[time.Duration]                 `toml:"startup_grace warmup start_period initial_delay"`
	Damping      *rawDamping                        `toml:"flap_damping damping dampening"`
	TLS          *rawTLS                            `toml:"tls tls_config ssl"`
	Method       opt[string]                        `toml:"method"`
	Path         opt[string]                        `toml:"path url uri"`
	Host         opt[string]                        `toml:"host virtualhost vhost authority"`
	Headers      rawHeaders                         `toml:"headers header hdr"`
	Status       list[opt[healthcheck.StatusRange]] `toml:"status status_code valid_status_codes"`
	Contains     opt[string]                        `toml:"contains string"`
	Regex        opt[string]                        `toml:"regex rstring regexp fail_if_body_not_matches_regexp"`
	Digest       opt[string]                        `toml:"digest sha256"`
	Body         opt[healthcheck.Payload]           `toml:"body"`
	HTTPVersion  opt[string]                        `toml:"http_version http_protocol enable_http2"`
	Redirects    opt[int]                           `toml:"follow_redirects redirects no_follow_redirects"`
	Requests     list[rawRequest]                   `toml:"requests request"`
	Username     opt[string]                        `toml:"username basic_auth login"`
	Password     opt[Secret]                        `toml:"password"`
	PasswordFile opt[string]                        `toml:"password_file"`
	Database     opt[string]                        `toml:"database db dbname"`
	Send         opt[healthcheck.Payload]           `toml:"send payload agent_send send_binary"`
	Expect       opt[healthcheck.Payload]           `toml:"expect query_response expect_binary"`
	RequireReply opt[bool]                          `toml:"require_reply"`
	Query        opt[string]                        `toml:"name query_name"`
	QueryType    opt[string]                        `toml:"query_type record_type"`
	RCode        opt[string]                        `toml:"rcode valid_rcodes"`
	Answer       opt[string]                        `toml:"answer validate_answer_rrs"`
	Protocol     opt[string]                        `toml:"protocol transport_protocol"`
	GRPCService  opt[string]                        `toml:"service grpc_service"`
	Base         opt[string]                        `toml:"base base_dn search_base"`
	Secret       opt[Secret]                        `toml:"secret shared_secret"`
	SecretFile   opt[string]                        `toml:"secret_file"`
	Helo         opt[string]                        `toml:"helo helo_name ehlo hello"`
	StartTLS     opt[bool]                          `toml:"starttls start_tls"`
	Command      list[opt[string]]                  `toml:"command misc_path script exec"`
	User         opt[string]                        `toml:"user"`
	Dynamic      opt[bool]                          `toml:"dynamic misc_dynamic"`
	File         opt[string]                        `toml:"file track_file"`
}

// rawRequest is one of several requests of an HTTP check.
type rawRequest struct {
	Node     *node
	Method   opt[string]                        `toml:"method"`
	Path     opt[string]                        `toml:"path url uri"`
	Host     opt[string]                        `toml:"host virtualhost vhost authority"`
	Headers  rawHeaders                         `toml:"headers header hdr"`
	Body     opt[healthcheck.Payload]           `toml:"body"`
	Status   list[opt[healthcheck.StatusRange]] `toml:"status status_code valid_status_codes"`
	Contains opt[string]                        `toml:"contains string"`
	Regex    opt[string]                        `toml:"regex rstring regexp fail_if_body_not_matches_regexp"`
	Digest   opt[string]                        `toml:"digest sha256"`
}

type rawDamping struct {
	Node   *node
	Falls  opt[int]           `toml:"falls changes"`
	Within opt[time.Duration] `toml:"within window"`
	Hold   opt[time.Duration] `toml:"hold"`
}

type rawTLS struct {
	Node       *node
	Verify     opt[bool]   `toml:"verify insecure_skip_verify"`
	ServerName opt[string] `toml:"server_name sni"`
	CAFile     opt[string] `toml:"ca_file ca"`
	CertFile   opt[string] `toml:"cert_file cert crt"`
	KeyFile    opt[string] `toml:"key_file key"`
	MinDays    opt[int]    `toml:"min_days min_validity"`
}

// rawHeaders is a table with keys of the user's: the fields of an HTTP header.
type rawHeaders struct {
	Node  *node
	Items []rawHeader // by name
}

type rawHeader struct {
	Name  string
	Value opt[Secret]
}

func (h *rawHeaders) decode(r *report, n *node) {
	if n.kind != table {
		r.errorHint(n, `such as { X-Check = "lbha" }`, "%s: must be a table, not %s", n.label(), n.describe())
		return
	}
	h.Node = n
	for _, m := range n.byName() {
		var v opt[Secret]
		v.decode(r, m)
		h.Items = append(h.Items, rawHeader{m.name, v})
	}
}
