// Package probe asks real servers whether they are well, over the network. It
// holds the probers of this program, one kind a file; what their results mean is
// for package healthcheck to decide.
//
// # A checked server is an attacker
//
// It may be broken or broken into. So each prober
//
//   - has one absolute deadline, that of its context, over all its phases: a peer
//     that sends one byte a second gains nothing;
//   - reads a bounded number of bytes into bounded memory, and never inflates,
//     follows, resolves or executes what it reads;
//   - says what happened in one short printable line.
//
// # A probe costs little
//
// Ten thousand servers a few seconds apart are some thousand probes a second. A
// connection (see conn.go) is a non-blocking socket on the runtime's poller: no
// goroutine beside the caller's, eight system calls from socket to close, and no
// state left in the kernel: it is closed by a reset, so that no port waits in
// TIME_WAIT for a minute. The two commonest kinds are run in one place by a [Poller],
// for five system calls and, for http, a write and a read. (A grpc probe has the goroutines of net/http's transport
// besides, and a script costs a process.)
//
// # The way of the traffic
//
// A probe of a server's own address does not see whether the server accepts the
// virtual address, and whether packets for it arrive. One that goes through IPVS does:
// see [throughProber].
//
// # A new kind of probe
//
// Most are a conversation on a TCP connection: what to say, what to hear, and what is
// wrong. Such a one is a file with a function of type conversation, and a case in
// [New]; deadline, TLS and the bound on what is read come from talkProber (talk.go).
// Any other is a type with a Probe method that dials with a dialer, reports errors by
// way of failed, and passes its own phases to it. Options that the type looks at are
// named in the method normal of [Options], so that checks which differ in nothing
// else share a probe.
package probe
