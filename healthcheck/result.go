package healthcheck

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Failure says why a probe failed, in one word that log, metric, status and
// test share. The empty Failure is success.
type Failure string

// The failures.
const (
	FailureDNS         Failure = "dns"         // the name was not resolved, or a DNS server answered wrongly
	FailureRefused     Failure = "refused"     // nobody listens (ECONNREFUSED, ICMP port unreachable)
	FailureUnreachable Failure = "unreachable" // no route, no neighbour (EHOSTUNREACH, ENETUNREACH)
	FailureConnect     Failure = "connect"     // the connection failed in another way
	FailureReset       Failure = "reset"       // the server broke the connection off
	FailureTLS         Failure = "tls"         // handshake or certificate
	FailureTimeout     Failure = "timeout"     // no complete answer by the deadline
	FailureStatus      Failure = "status"      // an answer with the wrong status
	FailureBody        Failure = "body"        // an answer with the wrong or a truncated content
	FailureProtocol    Failure = "protocol"    // an answer that is not of the protocol, or beyond its bounds
	FailureExit        Failure = "exit"        // a script ended with a status other than 0
	FailureLocal       Failure = "local"       // our own lack (descriptors, ports, memory, rights): not the server's
	FailureCanceled    Failure = "canceled"    // we gave the probe up: not the server's
)

// Failures returns all failures, for those who prepare a counter for each.
func Failures() []Failure { return slices.Clone(failures[1:]) }

// maxDetail bounds [Result.Detail], in bytes. Servers write parts of it, and
// thousands are kept.
const maxDetail = 160

// A Result is the outcome of one probe.
type Result struct {
	Failure Failure       `json:"failure,omitempty"` // empty: the server is well
	Detail  string        `json:"detail,omitempty"`  // one printable line: "http 503 in 12ms, want 200-299"
	At      time.Time     `json:"at"`                // when the probe ended
	Latency time.Duration `json:"latency"`           // from its start to its end
	Late    bool          `json:"late,omitempty"`    // the director was late itself: silence, or a broken connection, proves nothing
	Weight  Weight        `json:"weight,omitzero"`   // what a server that is well is to weigh
}

// Passed is the result of a probe that found the server well.
func Passed(detail string) Result { return Result{Detail: clip(detail)} }

// Failed is the result of a probe that did not. The detail may hold bytes of
// the server: it is cut to a bounded printable line.
func Failed(f Failure, detail string) Result { return Result{Failure: f, Detail: clip(detail)} }

// OK reports whether the server was found well.
func (r Result) OK() bool { return r.Failure == "" }

// Counts reports whether the result says something about the server: local and
// canceled probes do not, nor does one that our own lateness may have caused: a
// timeout, or the patience of the server at its end.
func (r Result) Counts() bool {
	switch r.Failure {
	case FailureLocal, FailureCanceled:
		return false
	case FailureTimeout, FailureReset:
		return !r.Late
	}
	return true
}

// excusable reports whether a stall of ours may be the cause.
func (r Result) excusable() bool { return r.Failure == FailureTimeout || r.Failure == FailureReset }

// String returns the result in one line: "ok: connected in 1ms", "refused: …".
func (r Result) String() string {
	s := string(r.Failure)
	if r.OK() {
		s = "ok"
	}
	if r.Late {
		s += " (late)"
	}
	if r.Detail != "" {
		s += ": " + r.Detail
	}
	return s
}

// clip cuts a line to maxDetail bytes of printable text, so that no server can
// fill our memory or steer the terminal of the operator.
func clip(s string) string {
	if len(s) <= maxDetail && (isPlain(s) || strings.IndexFunc(s, unprintable) < 0) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unprintable(r) {
			r = '.'
		}
		if b.Len()+utf8.RuneLen(r) > maxDetail-len("…") {
			b.WriteString("…")
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// isPlain reports whether s is of printable ASCII only, as nearly every detail is.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func unprintable(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
