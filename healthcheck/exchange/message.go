package exchange

import (
	"time"

	"github.com/lbha/lbha/healthcheck"
)

// A Header is what a datagram says of itself.
type Header struct {
	Name  string // of the sender, for people: 1 to 64 printable characters of ASCII
	Stamp Stamp  // of this datagram
	Echo  Stamp  // the newest that the sender heard of the receiver; zero: none
}

// A Stamp is one datagram of one run.
type Stamp struct {
	Run, Seq uint64
}

// A Digest stands for what a check asks. See [Key.Digest].
type Digest [8]byte

// A Verdict is what a director holds of one check, on results of its own.
type Verdict struct {
	ID      string              // of the check, 1 to 255 bytes
	Asks    Digest              //
	Verdict healthcheck.Verdict // Up or Down
	Age     time.Duration       // of the last result that counted, in whole milliseconds
	For     time.Duration       // how long the verdict has stood, likewise
	Weight  healthcheck.Weight  // that the server said of itself
	Failure healthcheck.Failure // why it is down
	Detail  string              // likewise: one line, at most 96 bytes
}

// A Message is a datagram that was opened.
type Message struct {
	Header
	Verdicts []Verdict
}

// Limits of the form.
const (
	// MaxDatagram is what IPv6 carries everywhere (RFC 8200, section 5), without the
	// headers of IPv6 and UDP: nothing is fragmented.
	MaxDatagram = 1280 - 40 - 8

	maxName    = 64
	maxID      = 255
	maxWeight  = 8
	maxFailure = 16
	maxDetail  = 96
	maxAge     = 100 * 365 * 24 * time.Hour
)

// A Drop says why a datagram was not used, in one word that log, metric, status and test
// share. The empty Drop is none.
type Drop string

// The reasons.
const (
	DropUnknown   Drop = "unknown-sender" // of nobody that is configured
	DropMalformed Drop = "malformed"      // not of this form
	DropVersion   Drop = "version"        // of another version of it
	DropAuth      Drop = "bad-auth"       // not under our key
	DropOwn       Drop = "own"            // our own, returned to us
	DropReplayed  Drop = "replayed"       // heard before, or overtaken by a later one
	DropStale     Drop = "stale"          // returns nothing that we sent of late: held back, or its sender does not hear us
	DropOverrun   Drop = "overrun"        // came faster than it could be read
)
