package vrrp

// Reason names the cause of a transition, the refusal of an advert, or a
// finding. The spelling is the same in log, metric, status, journal and test.
type Reason string

// Reasons of transitions into Backup or Master.
const (
	ReasonStarted        Reason = "started"          // Initialize → Backup
	ReasonResumed        Reason = "resumed"          // Initialize → Master or Backup: the process crashed and returned in time
	ReasonOwner          Reason = "owner"            // → Master: priority 255 waits for nobody
	ReasonMasterDown     Reason = "master-down"      // Backup → Master: the master-down timer expired
	ReasonNoMaster       Reason = "no-master"        // Backup → Master: no master was heard at all
	ReasonMasterResigned Reason = "master-resigned"  // Backup → Master: the master sent priority 0
	ReasonPreempted      Reason = "preempted"        // Backup → Master: the master had a lower priority
	ReasonHigherPriority Reason = "higher-priority"  // Master → Backup
	ReasonHigherAddress  Reason = "higher-address"   // Master → Backup: equal priority, the address decides
	ReasonHandedOver     Reason = "handed-over"      // Master → Backup: a backup took over, as we wished
	ReasonStalled        Reason = "stalled"          // Master → Backup: later than the quickest takeover; also a finding
	ReasonRecovered      Reason = "recovered"        // Fault → Backup
	ReasonStopped        Reason = "stopped"          // any → Initialize
	ReasonNobodyTookOver Reason = "nobody-took-over" // Master → Initialize: stopped without a successor; also a finding
)

// ReasonGroup is of a transition into Backup or Master that another member of the
// sync group has caused. The detail is its name.
const ReasonGroup Reason = "group"

// Reasons of transitions into Fault.
const (
	ReasonLinkDown        Reason = "link-down"
	ReasonNoSourceAddress Reason = "no-source-address"
	ReasonTrackFault      Reason = "track-fault"
	ReasonClaimFailed     Reason = "claim-failed" // the kernel refused an address
	ReasonSendFailed      Reason = "send-failed"  // adverts do not leave
	ReasonGroupFault      Reason = "group-fault"  // another member of the sync group is in Fault: its name is the detail
	ReasonSettling        Reason = "settling"     // the cause came and went too quickly for its end to be trusted yet
)

// Reasons of [Reject].
const (
	RejectNotRunning    Reason = "not-running"       // Initialize
	RejectInFault       Reason = "in-fault"          // Fault hears nothing
	RejectOwnAdvert     Reason = "own-advert"        // the source is our own address
	RejectZeroInterval  Reason = "zero-interval"     // would make a master-down interval of nothing
	RejectNoAddresses   Reason = "no-addresses"      // a virtual router without addresses
	RejectVersion       Reason = "version-mismatch"  // also a finding
	RejectInterval      Reason = "interval-mismatch" // version 2 only; also a finding
	RejectLowerPriority Reason = "lower-priority"
	RejectLowerAddress  Reason = "lower-address"
	RejectNotTheMaster  Reason = "not-the-master" // priority 0 from another than the current master
	RejectStale         Reason = "stale"          // older than what its sender, or a later master, has said since
	RejectCommand       Reason = "not-master"     // a hand-over was asked of a router that is not master
)

// Reasons of [Finding] that are not also one of the above.
const (
	FindingInterval            Reason = "interval-mismatch"
	FindingVersion             Reason = "version-mismatch"
	FindingAddresses           Reason = "address-mismatch"
	FindingCount               Reason = "count-mismatch" // of addresses: some routers drop such adverts
	FindingEqualPriority       Reason = "equal-priority" // the addresses decide who is master
	FindingTwoMasters          Reason = "two-masters"
	FindingTwoOwners           Reason = "two-owners"
	FindingOneWay              Reason = "one-way" // the peer does not hear us
	FindingForeignAnnouncement Reason = "foreign-announcement"
	FindingAddressLost         Reason = "address-lost"
	FindingReleaseFailed       Reason = "release-failed"
	FindingRenewFailed         Reason = "renew-failed"
	FindingAnnounceFailed      Reason = "announce-failed"
)
