package load

import (
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/lbha/lbha/integration/internal/mono"
	"golang.org/x/sys/unix"
)

// Failure says why an attempt was lost.
type Failure uint32

// What can become of an attempt that was not answered.
const (
	None       Failure = iota
	Timeout            // no answer within the client's deadline
	Refused            // a reset in answer to the connection
	Reset              // a reset on the open connection, or its end before the answer
	NoRoute            // the kernel could not send
	BadAnswer          // an answer that is not the expected one
	OutOfSpace         // the client itself ran out of descriptors or ports: a fault of the lab
)

var failureNames = [...]string{"none", "timeout", "refused", "reset", "no-route", "bad-answer", "out-of-space"}

func (f Failure) String() string {
	if int(f) < len(failureNames) {
		return failureNames[f]
	}
	return fmt.Sprintf("failure(%d)", uint32(f))
}

// MarshalText gives the name.
func (f Failure) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads a name.
func (f *Failure) UnmarshalText(text []byte) error {
	i := slices.Index(failureNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("no failure is called %q", text)
	}
	*f = Failure(i)
	return nil
}

// Attempt is one request or datagram of a client.
type Attempt struct {
	Start     mono.Time
	Connected mono.Time // TCP: the handshake was complete; 0: never
	Answered  mono.Time // the answer was there; 0: not yet, or never
	Failure   Failure
	Server    uint32 // number of the real server that answered, as it calls itself
}

// Done reports whether the attempt has ended, well or not.
func (a *Attempt) Done() bool { return a.Answered != 0 || a.Failure != None }

// slots is the capacity of a record. The UDP client fills it in 17 minutes; then the oldest are overwritten.
const slots = 1 << 20

// headerSize keeps the slots aligned to a page.
const headerSize = 4096

// Record is a ring of attempts in a file that two processes map: the client writes, anybody reads.
type Record struct {
	data     []byte
	next     *atomic.Uint64 // number of attempts so far; slot = number mod slots
	attempts []Attempt
}

// CreateRecord makes an empty record.
func CreateRecord(path string) (*Record, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// Sparse: only what is written takes memory.
	if err := f.Truncate(headerSize + slots*int64(unsafe.Sizeof(Attempt{}))); err != nil {
		return nil, err
	}
	return mapRecord(f)
}

// OpenRecord opens a record that another process writes.
func OpenRecord(path string) (*Record, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return mapRecord(f)
}

func mapRecord(f *os.File) (*Record, error) {
	size := headerSize + slots*int(unsafe.Sizeof(Attempt{}))
	data, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", f.Name(), err)
	}
	return &Record{
		data:     data,
		next:     (*atomic.Uint64)(unsafe.Pointer(&data[0])),
		attempts: unsafe.Slice((*Attempt)(unsafe.Pointer(&data[headerSize])), slots),
	}, nil
}

// Close unmaps the record. Nothing returned by begin may be used afterwards.
func (r *Record) Close() error { return unix.Munmap(r.data) }

// begin claims the slot of the next attempt.
func (r *Record) begin(start mono.Time) *Attempt {
	n := r.next.Load()
	a := &r.attempts[n%slots]
	*a = Attempt{Start: start}
	r.next.Store(n + 1) // after the slot is whole: readers trust everything below next
	return a
}

// Between copies the attempts that began in [from, to). It reads fields that the client may be writing; a torn attempt is
// impossible, since each field is one aligned word, and a half-written one is merely not done yet.
func (r *Record) Between(from, to mono.Time) []Attempt {
	end := r.next.Load()
	begin := uint64(0)
	if end > slots {
		begin = end - slots
	}
	// Starts only grow, so both ends can be searched.
	low := r.search(begin, end, from)
	high := r.search(low, end, to)
	out := make([]Attempt, 0, high-low)
	for n := low; n < high; n++ {
		out = append(out, r.attempts[n%slots])
	}
	return out
}

// search finds the first attempt in [low, high) that began at t or later.
func (r *Record) search(low, high uint64, t mono.Time) uint64 {
	for low < high {
		middle := low + (high-low)/2
		if r.attempts[middle%slots].Start < t {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}
