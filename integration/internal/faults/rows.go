package faults

// Row is one fault.
type Row struct {
	Number   int
	Fault    string
	Expected string
	// Held are the proofs, each "go PACKAGE TEST", with a transcript or case behind it, or "PART NAME" of a part that is
	// played in the lab: "drill kill-all", "lvs failover", "systemd restart while master".
	Held []string
	// Why says, of a row without proofs, why it has none.
	Why string
	// Keepalived is what keepalived 2.2.7 was measured to do; empty: it was not tried, or has no such thing.
	Keepalived string
}

// Rows are all faults, in order. A is the master, B its backup.
var Rows = []Row{
	{1, "stop A (SIGTERM)", "handed over: nobody goes without the VIP", refs("drill stop", "go cmd/lbha TestAPairElectsAndHandsOver", "systemd stop"), "", "a gap of its skew, 0.6 s at 1 s"},
	{2, "kill -9 all of A", "B after a master-down interval; A's VIP gone by its lease", refs("drill kill-all", "go cmd/lbha TestAKilledDaemonLosesItsAddressByItself", "interop every cell"), "", "the same time; the VIP stays, two answers to each ARP request"},
	{3, "kill -9 the elector", "adopts VIP and role; no transition on B", refs("drill kill-elector", "go cmd/lbha TestADeadProcessReturnsAndNobodyNotices", "go vrrp/vrrptest TestTranscripts resume.txt"), "", "3.6 s of outage at 1 s"},
	{4, "kill -9 the director", "table untouched and adopted; servers do not flap", refs("drill kill-director", "go cmd/internal/director TestARestartTouchesNothingThatIsRight", "go cmd/internal/director TestADeadServerDoesNotReturnByARestart"), "", ""},
	{5, "kill -9 the supervisor", "the two die with it; the restarted ones resume", refs("go cmd/lbha TestARestartIsNoFailover", "systemd kill -9 of every process"), "", "a failover"},
	{6, "SIGSTOP the elector for longer than the lease, then CONT", "VIP out by lease; it listens before it claims", refs("drill pause", "go vrrp/vrrptest TestTranscripts pause.txt", "systemd the VRRP process is stuck", "containerlab docker pause d1"), "", "the VIP stays; asserts itself in 1 to 20 ms"},
	{7, "a VM is paused and resumed: packets are lost, too", "as 6", refs("go vrrp/vrrptest TestProperties", "go vrrp/vrrptest TestTranscripts pause.txt"), "", ""},
	{8, "SIGSTOP B", "no false takeover", refs("go vrrp/vrrptest TestTranscripts pause_backup.txt"), "", "none in 10"},
	{9, "busy loops on every processor at 10 ms", "no false takeover", refs("interop a pair at 10 ms beside busy processors"), "", ""},
	{10, "memory pressure, swap", "adverts on time: the elector's memory is locked", refs("go cmd/lbha TestTheElectorsMemoryIsLocked"), "", ""},
	{11, "wall clock forwards and backwards", "nothing happens", refs("go vrrp/vrrptest TestProperties", "go vrrp/segment TestAge", "go cmd/internal/elector TestNowIsTheKernelsMonotonicClock"), "", ""},
	{12, "a clock step with hmac", "no lasting double master", refs("go vrrp/wire TestClockSteps", "go vrrp/vrrptest TestProperties", "go cmd/internal/elector TestAWrongClockIsFound"), "", ""},
	{13, "link of A down", "FAULT, VIP out; B after a master-down interval", refs("drill link", "containerlab the cable of d1 is pulled", "go vrrp/vrrptest TestTranscripts link.txt"), "", "the same"},
	{14, "link flaps", "at most one transition a master-down interval; no storm", refs("go vrrp/vrrptest TestTranscripts link.txt", "go vrrp/vrrptest TestProperties"), "", ""},
	{15, "interface: down, without address, MTU, renamed, deleted and made again", "FAULT and recovery; bound again by index", refs("go cmd/lbha TestAnInterfaceMayComeLateAndGo", "go cmd/lbha TestAnAddressFollowsTheNameOfItsInterface", "go cmd/internal/elector TestIPv6GoesAndReturnsWithTheMTU", "go vrrp/vrrptest TestTranscripts link.txt"), "", ""},
	{16, "VIP deleted by hand on A", "back in 100 ms, announced; A stays master", refs("drill vip-removed", "go cmd/lbha TestAnAddressThatSomebodyRemovedIsBackAtOnce"), "", "resigns, back after its skew (0.23 s)"},
	{17, "VIP added by hand on B", "an alarm; never advertised", refs("go cmd/lbha TestAnAddressThatABackupShouldNotHaveIsFound"), "", ""},
	{18, "a stranger answers ARP for the VIP", "found, and answered at a bounded rate", refs("go vrrp/announce TestListener", "go vrrp/vrrptest TestTranscripts partition.txt"), "", ""},
	{19, "A and B are cut off from each other, and it heals", "two masters meanwhile, one right after; the winner announces last", refs("interop every cell", "go vrrp/vrrptest TestTranscripts partition.txt", "go vrrp/vrrptest TestProperties"), "", ""},
	{20, "B does not hear A, A hears B", "at most one round of announcements an interval; the finding one-way", refs("go vrrp/vrrptest TestTranscripts partition.txt"), "", "95 gratuitous ARPs in 15 s"},
	{21, "A does not hear B", "nothing: B is silent", refs("go vrrp/vrrptest TestTranscripts partition.txt"), "", ""},
	{22, "one-way cuts among three to five directors", "converge after healing", refs("go vrrp/vrrptest TestProperties"), "", ""},
	{23, "loss of 1, 10, 40 %", "one master after it ends; no other rule broken meanwhile", refs("go vrrp/vrrptest TestProperties"), "", ""},
	{24, "duplicates, reordering, delay", "an old advert revives no dead master", refs("go vrrp/vrrptest TestProperties"), "", ""},
	{25, "announcements are lost after a takeover", "repaired by repeats", refs("go vrrp/vrrptest TestProperties", "go vrrp/announce TestThirdHostFollows"), "", ""},
	{26, "a switch that learns late", "with a virtual MAC the adverts move the entry", refs("go cmd/internal/elector TestAVirtualMACMovesWithoutItsNeighboursNotice"), "", ""},
	{27, "the same VRID in another version", "ignored, with a finding; own schedule unchanged", refs("go cmd/internal/elector TestWhatPeersDoOtherwiseIsFound", "go vrrp/segment TestFilterPrograms"), "", "a packet re-arms the master's timer"},
	{28, "bad checksum, TTL, length, type, count, auth: 2/s and a flood", "no timer changes; nobody wakes; counted", refs("drill bad-adverts", "drill flood", "go cmd/lbha TestAFloodMovesNothing", "interop a forger beside a pair"), "", "2 a second: 5 takeovers in 20 s"},
	{29, "forged interval 0, count 0", "dropped", refs("go vrrp/vrrptest TestMutations", "go vrrp/wire TestDecodeRefuses"), "", "interval 0 makes a backup master at once (5 of 5)"},
	{30, "priority 0 from another than the master", "ignored", refs("go vrrp/vrrptest TestTranscripts resign.txt", "go vrrp/vrrptest TestMutations"), "", ""},
	{31, "equal priority, started together", "one master; the higher address wins", refs("go vrrp/vrrptest TestTranscripts tie.txt", "interop every cell"), "", "the same"},
	{32, "two address owners (255)", "the higher address stays; a finding", refs("go vrrp/vrrptest TestTranscripts owner.txt"), "", "the lower address yields"},
	{33, "the lists of VIPs differ", "one master; a finding", refs("go vrrp/vrrptest TestTranscripts mismatch.txt", "go cmd/internal/elector TestWhatPeersDoOtherwiseIsFound"), "", "drops the advert: two masters"},
	{34, "the intervals differ", "version 3 follows; version 2 drops, with a finding", refs("go vrrp/vrrptest TestTranscripts version2.txt", "go vrrp/vrrptest TestTranscripts mismatch.txt"), "", ""},
	{35, "keepalived and FRR as A, as B", "as beside lbha", refs("interop every cell"), "", ""},
	{36, "reload, nothing changed", "no packet, no write, no check missed", refs("drill reload-same", "go cmd/internal/director TestPlanIsWhatReloadDoes"), "", "no check for 14 to 20 s at 10,000 servers"},
	{37, "reload of a bad file", "refused whole; exit status and log say why", refs("drill reload-broken", "go cmd/internal/director TestABadReloadChangesNothing", "systemd a reload that is refused", "go config TestBad"), "", "exits, and leaves the VIP; an empty file drops all VIPs"},
	{38, "reload removes a busy service or server", "drained; connections of others untouched", refs("go cmd/internal/director TestARemovedServerDrainsFirst", "lvs load"), "", ""},
	{39, "reload changes a weight", "one edit of one server", refs("go cmd/internal/director TestReloadTouchesOnlyWhatDiffers", "lvs load"), "", ""},
	{40, "reload over and over, with checks", "memory and descriptors flat; no service lost", refs("go cmd/lbha TestReloadsLeaveNothingBehind"), "", ""},
	{41, "ipvsadm -C, foreign edits", "repaired in one drift period", refs("drill cleared", "go ipvs/kernel TestReconciler"), "", "never"},
	{42, "services of others", "left alone, unless exclusive", refs("go ipvs TestReconciler", "go ipvs TestReconcilerConverges"), "", ""},
	{43, "ip_vs missing, no permission", "a clear error with what to do", refs("go ipvs/kernel TestUnavailable", "go ipvs/kernel TestPermission"), "", ""},
	{44, "netlink loses events (ENOBUFS)", "the full state is read again", refs("go vrrp/address TestWatchOverrun"), "", "goes on with a stale view"},
	{45, "errors of each request to the kernel", "retried, or rolled back", refs("go ipvs/ipvstest TestConformance", "go ipvs/kernel TestBatchInDoubt", "go ipvs/realserver TestFailureAtEachStep", "go vrrp/vrrptest TestTranscripts addresses.txt"), "", ""},
	{46, "out of descriptors", "no server fails for it", refs("go healthcheck/probe TestOutOfDescriptors"), "", ""},
	{47, "out of local ports", "no server fails for it", refs("go healthcheck/probe TestOutOfPorts"), "", ""},
	{48, "all servers die at once", "panic threshold or backup servers", refs("go cmd/internal/director TestQuorumAndPanicAreToldOnceAPool", "go ipvs TestDesired"), "", ""},
	{49, "a server flaps", "rise, fall and damping hold", refs("go healthcheck TestTracker", "go healthcheck TestDamping"), "", ""},
	{50, "a server sends a byte a second, an endless body, huge headers", "an absolute deadline, bounded memory", refs("go healthcheck/probe TestSituations", "go healthcheck/probe TestRawBound"), "", "no deadline over the whole answer"},
	{51, "a script hangs, forks, ignores TERM, writes without end", "its group is killed and reaped; bounded", refs("go healthcheck/probe TestScriptChildrenDie", "go cmd/internal/program TestEnds", "go cmd/internal/program TestNothingIsLeft"), "", ""},
	{52, "a notify command hangs", "VRRP unmoved", refs("go cmd/lbha TestNothingStuckDelaysAnAdvert", "go cmd/internal/herald TestAStuckCommandIsKilledAndTheNextIsTold"), "", ""},
	{53, "the log blocks", "VRRP unmoved; a bounded queue", refs("go cmd/lbha TestNothingStuckDelaysAnAdvert", "go cmd/internal/observe TestAStuckLogDelaysNobodyAndTellsWhatItLost"), "", "its adverts wait for the log"},
	{54, "killed between any two steps", "the next start converges; no orphan", refs("go vrrp/vrrptest TestProperties", "go ipvs/kernel TestBatchInDoubt", "go cmd/internal/elector TestAVirtualMACIsSweptAway", "go cmd/internal/elector TestRoutesOfADeadProcess"), "", ""},
	{55, "started with the VIP present", "adopted or removed, by role", refs("go vrrp/vrrptest TestTranscripts resume.txt", "go cmd/lbha TestAKilledDaemonLosesItsAddressByItself"), "", ""},
	{56, "boot: interface or address late, IPv6 address tentative", "waits; no master without a source", refs("go cmd/lbha TestAnInterfaceMayComeLateAndGo", "go vrrp/address TestDuplicateAddressDetection", "go vrrp/vrrptest TestTranscripts link.txt"), "", ""},
	{57, "upgrade of the package while master", "no transition", refs("systemd upgrade of the package while master", "systemd restart while master"), "", "two transitions"},
	{58, "failover with synchronised connections", "they go on", refs("lvs failover"), "", ""},
	{59, "synchronisation on the wrong interface, or with another ID", "an alarm", nil, "the kernel tells a director nothing of the packets that its sync daemon does not get, and drops those of another ID without a count; an interface that does not exist is refused (config) and named (doctor)", ""},
	{60, "1,000 instances fail over at once", "no advert late; announcements within a bound", refs("go cmd/internal/elector TestAThousandAddressesAreToldQuicklyButEvenly"), "", "0.45 s of processor on the backup"},
}

func refs(list ...string) []string { return list }
