package kernel

import (
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"maps"
	"syscall"
	"testing"

	"github.com/mdlayher/netlink"
)

// wire is a netlink socket whose kernel is a function. As from a kernel, each
// answer is a datagram of its own, but for the parts of a listing.
type wire struct {
	kernel func(sent []netlink.Message) [][]netlink.Message
	queue  [][]netlink.Message
}

func (w *wire) Close() error                 { return nil }
func (w *wire) Send(m netlink.Message) error { return w.SendMessages([]netlink.Message{m}) }

func (w *wire) SendMessages(sent []netlink.Message) error {
	w.queue = append(w.queue, w.kernel(sent)...)
	return nil
}

func (w *wire) Receive() ([]netlink.Message, error) { return nil, errors.New("not used") }

func (w *wire) ReceiveIter() iter.Seq2[netlink.Message, error] {
	return func(yield func(netlink.Message, error) bool) {
		if len(w.queue) == 0 {
			yield(netlink.Message{}, io.ErrUnexpectedEOF) // a real one would wait
			return
		}
		datagram := w.queue[0]
		w.queue = w.queue[1:]
		for _, m := range datagram {
			if !yield(m, nil) {
				return
			}
		}
	}
}

func testSocket(t *testing.T, kernel func([]netlink.Message) [][]netlink.Message) *socket {
	return &socket{Conn: netlink.NewConn(&wire{kernel: kernel}, 1), family: 28, ctx: t.Context()}
}

// answerTo is the kernel's answer to a message: an error or, for 0, an
// acknowledgement.
func answerTo(m netlink.Message, errno syscall.Errno) netlink.Message {
	data := binary.NativeEndian.AppendUint32(nil, uint32(-int32(errno)))
	h := netlink.Header{Type: netlink.Error, Sequence: m.Header.Sequence, PID: m.Header.PID, Length: 36}
	return netlink.Message{Header: h, Data: append(data, make([]byte, 16)...)}
}

// obey answers as the kernel does: errors always, successes where asked.
func obey(refuse map[int]syscall.Errno) func([]netlink.Message) [][]netlink.Message {
	n := 0
	return func(sent []netlink.Message) (answers [][]netlink.Message) {
		for _, m := range sent {
			if errno := refuse[n]; errno != 0 || m.Header.Flags&netlink.Acknowledge != 0 {
				answers = append(answers, []netlink.Message{answerTo(m, errno)})
			}
			n++
		}
		return answers
	}
}

func TestBatch(t *testing.T) {
	const size = 2*batchSize + 3
	for name, refuse := range map[string]map[int]syscall.Errno{
		"none":            {},
		"some":            {0: syscall.EEXIST, 5: syscall.ENOENT, batchSize: syscall.ESRCH},
		"last of a write": {batchSize - 1: syscall.EEXIST, size - 1: syscall.ENOENT},
		"two in a row":    {size - 2: syscall.EEXIST, size - 1: syscall.ENOENT},
	} {
		t.Run(name, func(t *testing.T) {
			writes := 0
			kernel := obey(refuse)
			s := testSocket(t, func(sent []netlink.Message) [][]netlink.Message {
				writes++
				return kernel(sent)
			})
			got, err := s.batch(make([]request, size))
			if err != nil || !maps.Equal(got, refuse) {
				t.Errorf("refused %v, %v, want %v", got, err, refuse)
			}
			if writes != 3 {
				t.Errorf("%d writes, want 3", writes)
			}
		})
	}
}

// TestBatchInDoubt checks that an answer that is missing, or to something else,
// is not taken for success.
func TestBatchInDoubt(t *testing.T) {
	for name, kernel := range map[string]func([]netlink.Message) [][]netlink.Message{
		"no answer": func([]netlink.Message) [][]netlink.Message { return nil },
		"to another request": func(sent []netlink.Message) [][]netlink.Message {
			sent[0].Header.Sequence += 1000
			return [][]netlink.Message{{answerTo(sent[0], 0)}}
		},
		"an error of another request": func(sent []netlink.Message) [][]netlink.Message {
			sent[0].Header.Sequence += 1000
			return [][]netlink.Message{{answerTo(sent[0], syscall.EEXIST)}}
		},
		"no acknowledgement": func(sent []netlink.Message) [][]netlink.Message {
			return [][]netlink.Message{{{Header: netlink.Header{Type: 28, Sequence: sent[0].Header.Sequence}}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := testSocket(t, kernel).batch(make([]request, 3))
			if _, answered := answer(err); err == nil || answered {
				t.Errorf("batch: %v, want a failure that is no answer of the kernel", err)
			}
		})
	}
}

func TestDump(t *testing.T) {
	interruptions, replies := 0, 0
	kernel := func(sent []netlink.Message) [][]netlink.Message {
		h := sent[0].Header
		h.Flags = netlink.Multi
		if interruptions > 0 {
			interruptions--
			h.Flags |= netlink.DumpInterrupted
		}
		var parts []netlink.Message
		for i := range replies {
			parts = append(parts, netlink.Message{Header: h, Data: []byte{cmdGetService, familyVersion, 0, 0, byte(i)}})
		}
		h.Type = netlink.Done
		end := netlink.Message{Header: h, Data: make([]byte, 4)}
		if len(parts) == 0 {
			return [][]netlink.Message{{end}}
		}
		return [][]netlink.Message{parts, {end}}
	}
	for _, tt := range []struct {
		name                   string
		interruptions, replies int
		err                    error
	}{
		{"empty", 0, 0, nil},
		{"two", 0, 2, nil},
		{"interrupted twice", 2, 2, nil},
		{"always interrupted", 3, 2, errInterrupted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			interruptions, replies = tt.interruptions, tt.replies
			bodies, err := testSocket(t, kernel).dump(cmdGetService, nil)
			if !errors.Is(err, tt.err) {
				t.Fatalf("dump: %v, want %v", err, tt.err)
			}
			if err == nil && len(bodies) != tt.replies {
				t.Errorf("%d replies, want %d", len(bodies), tt.replies)
			}
		})
	}
}
