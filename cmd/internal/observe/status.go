package observe

import "time"

// Status is the one snapshot that `lbha status`, the API and the metrics show. It is immutable.
type Status struct {
	Name    string    `json:"name"`
	Version string    `json:"version"`
	Time    time.Time `json:"time"`    // when the snapshot was made
	Started time.Time `json:"started"` // this incarnation of the director process
	// Goroutines is how many the director process has: from rest to rest as many.
	Goroutines int           `json:"goroutines"`
	Config     Config        `json:"config"`
	Elector    Elector       `json:"elector"`
	Instances  []Instance    `json:"instances"`
	Services   []Service     `json:"services"`
	Checker    Checker       `json:"checker"`
	Exchange   *Exchange     `json:"exchange,omitempty"` // of verdicts with other directors; nil: none is configured
	Draining   []Drain       `json:"draining"`           // no longer configured, but with connections that may end
	Table      Table         `json:"table"`
	Journal    JournalStatus `json:"journal"`
	// Interfaces counts packets that were for no instance of ours, or that the socket filter refused and nobody had the
	// time to look at ("unexamined", at most so many), by interface and reason.
	Interfaces map[string]map[string]uint64 `json:"interfaces,omitempty"`
	Findings   []Finding                    `json:"findings"` // what is wrong now, worst first; empty is good
	// Ground is what is wrong with the host, worst first: settings that are not lbha's to change. See `lbha doctor`.
	Ground []Ground `json:"ground"`
}

// Config says which configuration is in force, and how the last attempt to change it ended.
type Config struct {
	Path   string    `json:"path"`
	Hash   string    `json:"hash"`
	Loaded time.Time `json:"loaded"`
	Reload *Reload   `json:"last_reload,omitempty"`
	Trial  *Trial    `json:"trial,omitempty"` // nil: it stays
	Trials Trials    `json:"trials"`
}

// Trial is what a configuration in force is on until somebody confirms it.
type Trial struct {
	State  string        `json:"state"`        // waiting; reverting: the former one is being put in force; stuck: that was not possible
	By     string        `json:"by,omitempty"` // whoever put it on trial
	Since  time.Time     `json:"since"`
	Within time.Duration `json:"within_ns"` // it was to be confirmed
	Left   time.Duration `json:"left_ns"`   // of that, while it is waiting
	Former string        `json:"former"`    // hash of the configuration that returns otherwise
	Error  string        `json:"error,omitempty"`
}

// Trials counts how trials ended. It counts since this process began.
type Trials struct {
	Confirmed uint64 `json:"confirmed"`
	Reverted  uint64 `json:"reverted"`
	Failed    uint64 `json:"failed"` // tries to put the former configuration in force
}

// Reload is the outcome of one reload.
type Reload struct {
	Time    time.Time `json:"time"`
	OK      bool      `json:"ok"`
	Applied bool      `json:"applied"` // in force; without OK: the kernel's table could not be brought to it
	Error   string    `json:"error,omitempty"`
	// Reverted is why the configuration before came in force again, which is what this reload did. File is set if the
	// configuration file says otherwise.
	Reverted string `json:"reverted,omitempty"`
	File     string `json:"file,omitempty"`
}

// Elector is the state of the VRRP process as the director knows it.
type Elector struct {
	Connected bool      `json:"connected"`   // it speaks: what is said of the instances is of now
	At        time.Time `json:"at,omitzero"` // to be exact: of then, at most a second ago
	PID       int       `json:"pid,omitempty"`
	RealTime  bool      `json:"real_time"` // runs in a real-time class
	Restarts  int       `json:"restarts"`  // incarnations seen after the first
	Hash      string    `json:"hash"`      // the configuration it has committed
	// Goroutines is how many the process has: from rest to rest as many.
	Goroutines int `json:"goroutines"`
}

// Instance is one virtual router.
type Instance struct {
	Name       string            `json:"name"`
	Interface  string            `json:"interface"`
	VRID       int               `json:"vrid"`
	State      string            `json:"state"`
	Since      time.Time         `json:"since"`
	Reason     string            `json:"reason"`
	Priority   int               `json:"priority"` // what is, or would be, advertised
	Master     string            `json:"master,omitempty"`
	Addresses  []string          `json:"addresses"`
	Held       []string          `json:"held"` // the addresses that the kernel has now
	HandOver   bool              `json:"hand_over,omitempty"`
	Sent       uint64            `json:"adverts_sent"`
	Received   uint64            `json:"adverts_received"`
	Dropped    map[string]uint64 `json:"adverts_dropped,omitempty"` // by reason
	Late       uint64            `json:"adverts_late"`              // sent more than 20 ms, or a tenth of the interval, after their time
	MaxLate    time.Duration     `json:"max_lateness_ns"`
	Announced  uint64            `json:"announcements_sent"`
	Transition uint64            `json:"transitions"`
	Tracks     []Track           `json:"tracks,omitempty"`
	Group      string            `json:"group,omitempty"`                  // the sync group that it moves with
	Plain      uint64            `json:"adverts_plain_checksum,omitempty"` // received with RFC 9568's checksum, without the pseudo header
	Peers      []Peer            `json:"peers,omitempty"`                  // whose adverts were accepted, latest last
	Notify     *Notify           `json:"notify,omitempty"`                 // nil: nobody is told
}

// Notify is how it goes with telling of the transitions of an instance. It counts since this process began.
type Notify struct {
	Command bool          `json:"command"`                // there is one
	Stream  bool          `json:"stream"`                 // there is one
	Waiting int           `json:"waiting"`                // transitions that wait for the command, the one that runs among them
	Running time.Duration `json:"running_ns,omitempty"`   // how long the command has run that runs now
	Ran     uint64        `json:"commands"`               // that ended
	Failed  uint64        `json:"commands_failed"`        // of these
	NotRun  uint64        `json:"commands_not_run"`       // could not be started
	Dropped uint64        `json:"dropped"`                // transitions left out, because too many waited
	Last    string        `json:"last_command,omitempty"` // how it ended
	Lines   uint64        `json:"lines"`                  // written to the stream
	Lost    uint64        `json:"lines_lost"`             // left out, because nobody read
	Unread  int           `json:"lines_waiting"`
	Trouble string        `json:"stream_trouble,omitempty"`
}

// Peer is another director of the same virtual router, as its last advert shows it.
type Peer struct {
	Address  string        `json:"address"`
	Priority int           `json:"priority"`
	Version  int           `json:"version"`
	Interval time.Duration `json:"interval_ns"`
	Heard    time.Time     `json:"heard"`
}

// Track is one thing that an instance tracks.
type Track struct {
	Kind    string    `json:"kind"` // interface, service, script, file, process, instance
	Target  string    `json:"target"`
	Weight  int       `json:"weight"` // as configured
	State   string    `json:"state"`  // good, bad, pending (nothing is known yet), undecided (too little is), unknown (nothing can be)
	Since   time.Time `json:"since,omitzero"`
	Reason  string    `json:"reason,omitempty"`
	Trouble string    `json:"trouble,omitempty"` // why State may not be what is true now
	Adjust  int       `json:"adjust"`            // what it adds to the priority now
	Fault   bool      `json:"fault,omitempty"`   // the instance is ineligible because of it
}

// Service is one service of the configuration, with all its virtual services.
type Service struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"`
	Scheduler string   `json:"scheduler"`
	Forward   string   `json:"forward"`
	Alive     int      `json:"alive"` // weight that is alive
	Quorum    int      `json:"quorum"`
	Fallback  bool     `json:"fallback"` // backup servers are in use
	Panic     bool     `json:"panic"`    // so few are healthy that checks take no more servers out (panic_threshold)
	// Pace is how its checks run here now: same, slower or off (standby_checks).
	Pace    string        `json:"check_pace"`
	Latency Latencies     `json:"check_latency"` // of the probes that passed
	Results []CheckResult `json:"check_results,omitempty"`
	Servers []Server      `json:"servers"`
}

// CheckResult counts the probes of a service that ended in one way.
type CheckResult struct {
	Type   string `json:"type"`   // of the check
	Result string `json:"result"` // "ok", or the word for the failure
	Count  uint64 `json:"count"`
}

// Checker is how the health checks as a whole are doing.
type Checker struct {
	Checks    int           `json:"checks"`
	Probes    int           `json:"probes"`    // distinct ones: checks that ask the same share theirs
	Running   int           `json:"running"`   // now
	Lingering int           `json:"lingering"` // beyond their deadline
	Started   uint64        `json:"started"`
	Skipped   uint64        `json:"skipped"`         // starts left out because this process stalled
	Late      uint64        `json:"late"`            // failures that did not count because it did
	Lag       time.Duration `json:"lag_ns"`          // lateness of late, by which timeouts are longer
	MaxLag    time.Duration `json:"max_lateness_ns"` // the worst ever
}

// Server is one real server of one service.
type Server struct {
	Address   string    `json:"address"`
	State     string    `json:"state"` // up, down, unknown
	Since     time.Time `json:"since"`
	Reason    string    `json:"reason"` // why it is in that state
	InTable   bool      `json:"in_table"`
	Placement string    `json:"placement"` // what was decided: serving, down, standby, …
	Weight    int       `json:"weight"`    // in the kernel
	Wanted    int       `json:"configured_weight"`
	Backup    bool      `json:"backup,omitempty"`
	Order     string    `json:"order,omitempty"` // an operator's, with its reason and end
	LastCheck time.Time `json:"last_check,omitzero"`
	LastOK    bool      `json:"last_ok"`
	Detail    string    `json:"detail,omitempty"` // the last check in a line
	Active    uint32    `json:"active_connections"`
	Inactive  uint32    `json:"inactive_connections"`
}

// Drain is a real server that a reload has removed, and that the kernel keeps with weight 0 until its connections have
// ended, or until its time is over.
type Drain struct {
	Service    string    `json:"service"`
	Server     string    `json:"server"`
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until,omitzero"`
	Active     uint32    `json:"active_connections"`
	Inactive   uint32    `json:"inactive_connections"`
	Persistent uint32    `json:"persistent_connections"`
}

// Table is the kernel's table as last read.
type Table struct {
	Read     time.Time `json:"read,omitzero"`
	Services int       `json:"services"`
	Servers  int       `json:"servers"`
	Foreign  []string  `json:"foreign,omitempty"` // services of other programs, left alone
	Drifts   uint64    `json:"drifts"`            // foreign edits found and repaired
	Writes   uint64    `json:"writes"`            // operations applied by this process
	Error    string    `json:"error,omitempty"`
}

// JournalStatus is how it goes with the journal's file. It counts since this process began.
type JournalStatus struct {
	Written uint64 `json:"written"`         // events
	Lost    uint64 `json:"lost"`            // of which the file has nothing: its disk was full, or slow, for too long
	Error   string `json:"error,omitempty"` // why the last write failed
}

// Finding is something wrong, with the word for it and what to do.
type Finding struct {
	Object  string    `json:"object"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	Since   time.Time `json:"since,omitzero"` // zero: not known
}

// Ground is something wrong with the host that a director stands on.
type Ground struct {
	Severity string `json:"severity"` // wrong: traffic is lost; advice: it will be in a situation that comes
	Object   string `json:"object"`
	Reason   string `json:"reason"`
	Message  string `json:"message"`
	Fix      string `json:"fix"`
}
