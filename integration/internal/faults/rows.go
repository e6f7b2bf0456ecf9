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
	// Keepalived is what is known of keepalived 2.2.7, and how, beside what it did in the proofs that it was put through: see Measurement.
	Keepalived string
}

// Rows are all faults, in order. A is the master, B its backup.
var Rows = []Row{
	{1, "stop A (SIGTERM)", "handed over: nobody goes without the VIP", refs("drill stop", "go cmd/lbha TestAPairElectsAndHandsOver", "systemd stop", "scenarios stop"), "", ""},
	{2, "kill -9 all of A", "B after a master-down interval; A's VIP gone by its lease", refs("drill kill-all", "go cmd/lbha TestAKilledDaemonLosesItsAddressByItself", "interop every cell", "scenarios kill-master"), "", "no fence: both hosts answer for the address until somebody ends that. For it the dead host forwards until B takes over, where clients of lbha wait from the end of the lease on (1.6 s at an interval of 1 s)"},
	{3, "kill -9 the elector", "adopts VIP and role; no transition on B", refs("drill kill-elector", "go cmd/lbha TestADeadProcessReturnsAndNobodyNotices", "go vrrp/vrrptest TestTranscripts resume.txt", "scenarios elector-killed"), "", ""},
	{4, "kill -9 the director", "table untouched and adopted; servers do not flap", refs("drill kill-director", "go cmd/internal/director TestARestartTouchesNothingThatIsRight", "go cmd/internal/director TestADeadServerDoesNotReturnByARestart"), "", ""},
	{5, "kill -9 the supervisor", "the two die with it; the restarted ones resume", refs("go cmd/lbha TestARestartIsNoFailover", "systemd kill -9 of every process", "scenarios supervisor-killed"), "", "a failover, in its skew: what loses its parent resigns, and ends within a second; a start meanwhile is refused"},
	{6, "SIGSTOP the elector for longer than the lease, then CONT", "VIP out by lease; it listens before it claims", refs("drill pause", "go vrrp/vrrptest TestTranscripts pause.txt", "systemd the VRRP process is stuck", "containerlab pause", "scenarios pause"), "", ""},
	{7, "a VM is paused and resumed: packets are lost, too", "as 6", refs("go vrrp/vrrptest TestProperties", "go vrrp/vrrptest TestTranscripts pause.txt"), "", ""},
	{8, "SIGSTOP B", "no false takeover", refs("go vrrp/vrrptest TestTranscripts pause_backup.txt", "scenarios backup-paused"), "", ""},
	{9, "busy loops on every processor at 10 ms", "no false takeover", refs("interop a pair at 10 ms beside busy processors"), "", ""},
	{10, "memory pressure, swap", "adverts on time: the elector's memory is locked", refs("go cmd/lbha TestTheElectorsMemoryIsLocked"), "", ""},
	{11, "wall clock forwards and backwards", "nothing happens", refs("go vrrp/vrrptest TestProperties", "go vrrp/segment TestAge", "go cmd/internal/elector TestNowIsTheKernelsMonotonicClock", "scenarios own-clock"), "", ""},
	{12, "a clock step with hmac", "no lasting double master", refs("go vrrp/wire TestClockSteps", "go vrrp/vrrptest TestProperties", "go cmd/internal/elector TestAWrongClockIsFound"), "", ""},
	{13, "link of A down", "FAULT, VIP out; B after a master-down interval", refs("drill link", "go vrrp/vrrptest TestTranscripts link.txt", "scenarios link"), "", ""},
	{14, "link flaps", "at most one transition a master-down interval; no storm", refs("go vrrp/vrrptest TestTranscripts link.txt", "go vrrp/vrrptest TestProperties", "scenarios flapping-link"), "", ""},
	{15, "interface: down, without address, MTU, renamed, deleted and made again", "FAULT and recovery; bound again by index", refs("go cmd/lbha TestAnInterfaceMayComeLateAndGo", "go cmd/lbha TestAnAddressFollowsTheNameOfItsInterface", "go cmd/internal/elector TestIPv6GoesAndReturnsWithTheMTU", "go vrrp/vrrptest TestTranscripts link.txt"), "", ""},
	{16, "VIP deleted by hand on A", "back in 100 ms, announced; A stays master", refs("drill vip-removed", "go cmd/lbha TestAnAddressThatSomebodyRemovedIsBackAtOnce", "scenarios by-hand"), "", ""},
	{17, "VIP added by hand on B", "an alarm; never advertised", refs("go cmd/lbha TestAnAddressThatABackupShouldNotHaveIsFound", "scenarios vip-on-backup", "scenarios own-foreign-address"), "", ""},
	{18, "a stranger answers ARP for the VIP", "found, and answered at a bounded rate", refs("go vrrp/announce TestListener", "go vrrp/vrrptest TestTranscripts partition.txt", "scenarios own-thief"), "", ""},
	{19, "A and B are cut off from each other, and it heals", "two masters meanwhile, one right after; the winner announces last", refs("interop every cell", "go vrrp/vrrptest TestTranscripts partition.txt", "go vrrp/vrrptest TestProperties", "scenarios partition"), "", ""},
	{20, "B does not hear A, A hears B", "at most one round of announcements an interval; the finding one-way", refs("go vrrp/vrrptest TestTranscripts partition.txt", "scenarios one-way"), "", "95 gratuitous ARPs in 15 s (measured between two namespaces)"},
	{21, "A does not hear B", "nothing: B is silent", refs("go vrrp/vrrptest TestTranscripts partition.txt", "scenarios deaf-master"), "", ""},
	{22, "one-way cuts among three to five directors", "converge after healing", refs("go vrrp/vrrptest TestProperties"), "", ""},
	{23, "loss of 1, 10, 40 %", "one master after it ends; no other rule broken meanwhile", refs("go vrrp/vrrptest TestProperties", "scenarios loss"), "", ""},
	{24, "duplicates, reordering, delay", "an old advert revives no dead master", refs("go vrrp/vrrptest TestProperties"), "", ""},
	{25, "announcements are lost after a takeover", "repaired by repeats", refs("go vrrp/vrrptest TestProperties", "go vrrp/announce TestThirdHostFollows"), "", ""},
	{26, "a switch that learns late", "with a virtual MAC the adverts move the entry", refs("go cmd/internal/elector TestAVirtualMACMovesWithoutItsNeighboursNotice"), "", ""},
	{27, "the same VRID in another version", "ignored, with a finding; own schedule unchanged", refs("go cmd/internal/elector TestWhatPeersDoOtherwiseIsFound", "go vrrp/segment TestFilterPrograms"), "", "a packet re-arms the timer of the master (measured with forged packets)"},
	{28, "bad checksum, TTL, length, type, count, auth: 2/s and a flood", "no timer changes; nobody wakes; counted", refs("drill bad-adverts", "drill flood", "go cmd/lbha TestAFloodMovesNothing", "interop a forger beside a pair"), "", ""},
	{29, "forged interval 0, count 0", "dropped", refs("go vrrp/vrrptest TestMutations", "go vrrp/wire TestDecodeRefuses"), "", "interval 0 makes a backup master at once, 5 of 5 (measured with forged packets)"},
	{30, "priority 0 from another than the master", "ignored", refs("go vrrp/vrrptest TestTranscripts resign.txt", "go vrrp/vrrptest TestMutations"), "", ""},
	{31, "equal priority, started together", "one master; the higher address wins", refs("go vrrp/vrrptest TestTranscripts tie.txt", "interop every cell"), "", "higher address wins (measured between two namespaces)"},
	{32, "two address owners (255)", "the higher address stays; a finding", refs("go vrrp/vrrptest TestTranscripts owner.txt"), "", "the lower address yields (measured between two namespaces)"},
	{33, "the lists of VIPs differ", "one master; a finding", refs("go vrrp/vrrptest TestTranscripts mismatch.txt", "go cmd/internal/elector TestWhatPeersDoOtherwiseIsFound"), "", "drops the advert: two masters (measured between two namespaces)"},
	{34, "the intervals differ", "version 3 follows; version 2 drops, with a finding", refs("go vrrp/vrrptest TestTranscripts version2.txt", "go vrrp/vrrptest TestTranscripts mismatch.txt", "go cmd/internal/elector TestABackupCountsInTheIntervalOfItsMaster"), "", ""},
	{35, "keepalived and FRR as A, as B", "as beside lbha", refs("interop every cell", "scenarios mixed", "scenarios migration", "scenarios mixed-frr", "scenarios migration-frr"), "", ""},
	{36, "reload, nothing changed", "no packet, no write, no check missed", refs("drill reload-same", "go cmd/internal/director TestPlanIsWhatReloadDoes", "go cmd/internal/director TestReloadTouchesOnlyWhatDiffers", "go cmd/internal/director TestUnchangedServicesKeepTheirProbes", "go healthcheck TestUpdateKeepsState"), "", "no check for 14 to 20 s at 10,000 servers (measured)"},
	{37, "reload of a bad file", "refused whole; the old one runs; exit status and log say why", refs("drill reload-broken", "go cmd/internal/director TestABadReloadChangesNothing", "systemd a reload that is refused", "go config TestBad", "scenarios own-wreck", "go cmd/internal/elector TestAServingInstanceIsNotMovedToNowhere"), "", "exits, and leaves the VIP, where interface, VRID or VIP is bad; an empty file drops all VIPs (measured)"},
	{38, "reload removes a busy service or server", "drained; connections of others untouched", refs("go cmd/internal/director TestARemovedServerDrainsFirst", "lvs load", "scenarios reload", "lvs services"), "", ""},
	{39, "reload changes a weight", "one edit of one server; no request fails", refs("go cmd/internal/director TestReloadTouchesOnlyWhatDiffers", "lvs load", "go cmd/internal/director TestAReloadOfAWeightIsOneEdit", "go ipvs/kernel TestReconciler"), "", ""},
	{40, "reload over and over, with checks", "memory and descriptors flat; no service lost", refs("go cmd/lbha TestReloadsLeaveNothingBehind", "scenarios reloads"), "", ""},
	{41, "ipvsadm -C, foreign edits", "repaired in one drift period", refs("drill cleared", "go ipvs/kernel TestReconciler", "scenarios by-hand"), "", ""},
	{42, "services of others", "left alone, unless exclusive", refs("go ipvs TestReconciler", "go ipvs TestReconcilerConverges", "go ipvs/kernel TestServicesOfOthers"), "", ""},
	{43, "ip_vs missing, no permission", "a clear error with what to do; at the start nobody becomes master who cannot forward; later VRRP goes on, and it is retried", refs("go ipvs/kernel TestUnavailable", "go ipvs/kernel TestPermission", "scenarios own-module", "go ipvs TestReconciler", "go ipvs/kernel TestServicesOfOthers"), "", ""},
	{44, "netlink loses events (ENOBUFS)", "the full state is read again; right afterwards", refs("go vrrp/address TestWatchOverrun", "go cmd/internal/elector TestLostNewsIsMadeGood"), "", "goes on with a stale view (its source)"},
	{45, "errors of each request to the kernel", "retried, or rolled back", refs("go ipvs/ipvstest TestConformance", "go ipvs/kernel TestBatchInDoubt", "go ipvs/realserver TestFailureAtEachStep", "go vrrp/vrrptest TestTranscripts addresses.txt", "go ipvs/kernel TestBatch", "go ipvs/kernel TestDump", "go ipvs TestReconcilerConverges"), "", ""},
	{46, "out of descriptors", "no server fails for it", refs("go healthcheck/probe TestOutOfDescriptors", "scenarios own-no-descriptors"), "", ""},
	{47, "out of local ports", "no server fails for it", refs("go healthcheck/probe TestOutOfPorts", "go cmd/internal/director TestOutOfPortsNoServerFails"), "", ""},
	{48, "all servers die at once", "panic threshold or backup servers; no pool is empty on the way, and it is not a write for each server", refs("go cmd/internal/director TestQuorumAndPanicAreToldOnceAPool", "go ipvs TestDesired", "scenarios all-servers", "go cmd/internal/director TestAllServersDieAtOnce", "go cmd/internal/director TestAPanicIsShown"), "", ""},
	{49, "a server flaps", "rise, fall and damping hold", refs("go healthcheck TestTracker", "go healthcheck TestDamping", "scenarios flapping-server"), "", ""},
	{50, "a server sends a byte a second, an endless body, huge headers", "an absolute deadline, bounded memory", refs("go healthcheck/probe TestSituations", "go healthcheck/probe TestRawBound", "go healthcheck/probe TestMatrix"), "", "no deadline over the whole answer (its issue 1822)"},
	{51, "a script hangs, forks, ignores TERM, writes without end", "its group is killed and reaped; bounded", refs("go healthcheck/probe TestScriptChildrenDie", "go cmd/internal/program TestEnds", "go cmd/internal/program TestNothingIsLeft", "go healthcheck/probe TestScripts"), "", ""},
	{52, "a notify command hangs", "VRRP unmoved", refs("go cmd/lbha TestNothingStuckDelaysAnAdvert", "go cmd/internal/herald TestAStuckCommandIsKilledAndTheNextIsTold"), "", ""},
	{53, "the log blocks; the disk is full", "VRRP unmoved; a bounded queue; nothing dies", refs("go cmd/lbha TestNothingStuckDelaysAnAdvert", "go cmd/internal/observe TestAStuckLogDelaysNobodyAndTellsWhatItLost", "go cmd/internal/keep TestAFullFileSystemKillsNobody", "scenarios own-disk-full"), "", "its adverts wait for the log (its source)"},
	{54, "killed between any two steps", "the next start converges; no orphan", refs("go vrrp/vrrptest TestProperties", "go ipvs/kernel TestBatchInDoubt", "go cmd/internal/elector TestAVirtualMACIsSweptAway", "go cmd/internal/elector TestRoutesOfADeadProcess", "go vrrp/vrrptest TestDeathBetweenAnyTwoSteps", "go vrrp/vrrptest TestTranscripts resume.txt", "go ipvs TestACrashAtAnyOpConverges", "go cmd/internal/keep TestADeathInTheMiddleOfAWriteKeepsTheOldRecord"), "", ""},
	{55, "started with the VIP present", "adopted or removed, by role", refs("go vrrp/vrrptest TestTranscripts resume.txt", "go cmd/lbha TestAKilledDaemonLosesItsAddressByItself", "go cmd/lbha TestARestartIsNoFailover", "go cmd/internal/elector TestRoutesOfADeadProcess"), "", ""},
	{56, "boot: interface or address late, IPv6 address tentative", "waits; no master without a source address", refs("go cmd/lbha TestAnInterfaceMayComeLateAndGo", "go vrrp/address TestDuplicateAddressDetection", "go vrrp/vrrptest TestTranscripts link.txt", "go cmd/internal/elector TestAFlushedInterface", "go cmd/internal/elector TestOneVRIDInBothFamilies"), "", ""},
	{57, "upgrade of the package while master", "no transition; no connection is lost", refs("systemd upgrade of the package while master", "systemd restart while master", "drill restart", "go cmd/lbha TestARestartIsNoFailover", "lvs failover"), "", "two transitions at a restart; it cannot pass its state on (its issue 1341)"},
	{58, "failover with synchronised connections", "those of three packets and more go on, all of them", refs("lvs failover"), "", ""},
	{59, "synchronisation on the wrong interface, or with another ID", "a finding: the backup hears what the others send, and on which interface", refs("lvs disagree", "go cmd/internal/synced TestListener", "go cmd/internal/synced TestJudge"), "", ""},
	{60, "1,000 instances fail over at once", "the last announcement within 200 ms of the first advert; no other advert late", refs("go cmd/internal/elector TestAThousandAddressesAreToldQuicklyButEvenly", "go cmd/internal/elector TestAThousandFailOverAtOnce"), "", "0.45 s of processor on the backup (measured)"},
}

// Own are the worst of our own invention: what somebody on call would fear.
var Own = []Row{
	{1, "the file system of state and log is full on both, and then a reload and a failover", "both work; nothing dies for want of a page, and the way back works too", refs("scenarios own-disk-full", "go cmd/internal/keep TestAFullFileSystemKillsNobody", "go cmd/internal/keep TestAFileInAFullFileSystem"), "", ""},
	{2, "no descriptor left for the checks of A when a server dies, nor for the elector of B when A dies", "no other server fails, B takes over and announces with what it has open", refs("scenarios own-no-descriptors"), "", ""},
	{3, "the supervisor of A stands still when its elector dies; later the director when a server dies", "B takes over; A goes on when it is continued, and nobody is killed for what another did not do", refs("scenarios own-stopped"), "", ""},
	{4, "B has the VIP already, by hand and with the prefix of the network, when A dies", "a finding; the failover and the way back work; what was added by hand stays", refs("scenarios own-foreign-address", "go cmd/lbha TestAnAddressThatABackupShouldNotHaveIsFound"), "", ""},
	{5, "a third machine announces the VIP twenty times a second", "a finding; answered at a bounded rate, and answered last: when it stops, every cache is right", refs("scenarios own-thief"), "", "it does not know"},
	{6, "the module ip_vs is removed with all tables, and comes back with another number", "VRRP unmoved; the table whole within a drift period", refs("scenarios own-module"), "", "the table stays empty"},
	{7, "at a reload the file is missing, empty, garbage, cut in half, a directory, a fifo", "refused each time, in time; nothing changes; a good one is taken afterwards", refs("scenarios own-wreck"), "", "a signal has no answer; for a missing file it gives its addresses up and clears the table, and it takes half a file for a whole one"},
	{8, "the wall clock goes back a year under load, and forward two, with a failover between", "nothing notices but the dates in the log", refs("scenarios own-clock"), "", ""},
	{9, "the director that tells the other its verdicts speaks as a stranger, under another key, is not heard, and dies when a server has just died", "each is named; the other takes over with what it was told: its table lacks the dead server at once, not after checks of its own", refs("scenarios peers", "go cmd/internal/peers TestStrangersAreNamed", "go cmd/internal/peers TestAnotherKeyTellsNothing"), "", ""},
}

func refs(list ...string) []string { return list }
