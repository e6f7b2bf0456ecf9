// Package exchange is how directors tell each other what their health checks find: the
// form of a datagram, and what a receiver may believe of one. It is pure: bytes and
// instants are arguments.
//
// # A datagram
//
// Numbers are big-endian; a varint is that of encoding/binary.
//
//	 0  4  "lbhv"
//	 4  1  version, 1
//	 5  1  n, length of the sender's name, 1 to 64
//	 6  2  number of verdicts
//	 8  8  run: a random number, another one for each receiver and each start
//	16  8  sequence: of what this run has sent, ever higher
//	24  8  run      ┐ of the newest datagram that the sender has heard of the
//	32  8  sequence ┘ receiver; zero if of none
//	40  n  name, printable ASCII
//	       verdicts
//	   32  HMAC-SHA256 of all that precedes
//
// and each verdict:
//
//	1  length, and that many bytes: the ID of the check, "www/10.9.0.3:80/http"
//	8  digest of what is asked, under the key
//	1  1 up, 2 down
//	v  varint: milliseconds since the last result that counted
//	v  varint: milliseconds since the verdict was reached
//	1  length, and bytes: the weight that the server said of itself, "12" or "75%"
//	1  length, and bytes: the word for the failure, of a server that is down
//	1  length, and bytes: its detail
//
// A datagram has at most [MaxDatagram] bytes; whoever has more to tell sends several,
// each of which stands for itself. One without verdicts says that the sender is there.
//
// # What may be believed
//
// The key proves who speaks, not when. Clocks of two hosts differ, and a datagram may
// have been recorded, held back, or sent by a process that is gone. So nobody reads
// another's clock: each datagram returns the newest sequence number that its sender has
// heard of the receiver, and that number is a time of the receiver's own ([Session]).
// The datagram was made after that; a verdict in it is at most as much older as it says.
// One that returns nothing recent says nothing. Of each run, numbers must rise.
//
// Two checks are one if service, server and type are, which is their ID, and if they ask
// the same, which is the digest. It is made under the key: what is asked may be a
// password, and what is on the wire must not help to guess it.
package exchange
