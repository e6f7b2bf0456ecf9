package keep

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Clocks is the number of 64-bit words in a region.
const Clocks = 4096

const (
	offCurrent  = 0
	offIdentity = 8 // 48 bytes: see identity
	offClocks   = 64
	offSlots    = offClocks + Clocks*8
	slotHeader  = 8 // length and checksum, 32 bits each
)

var (
	// ErrTooLarge is returned by Save for a record that does not fit into a slot. The previous record stays.
	ErrTooLarge = errors.New("record is larger than its memory file")
	// ErrFull is returned by Save when the file system of the memory file has no room for a larger record. The previous
	// record stays.
	ErrFull = errors.New("no space left where the memory file is")
)

// Create makes an empty memory file of the given size in bytes. Its pages cost nothing until they are written.
func Create(name string, size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memory file %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := f.Truncate(size); err != nil {
		f.Close()
		return nil, fmt.Errorf("memory file %s: %w", name, err)
	}
	return f, nil
}

// Region is a mapped memory file. Its methods must be called by one goroutine, but for the words of Clock, which are
// atomic.
type Region struct {
	mem  []byte
	slot int // bytes in a slot
}

// Open maps a memory file made by Create. The file may be closed afterwards.
func Open(f *os.File) (*Region, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("memory file: %w", err)
	}
	size := int(fi.Size())
	if size < offSlots+2*1024 {
		return nil, fmt.Errorf("memory file %s: %d bytes are too few", f.Name(), size)
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map memory file %s: %w", f.Name(), err)
	}
	return &Region{mem: mem, slot: (size - offSlots) / 2}, nil
}

// Halves are two regions in the memory of r, of which nothing else is used then. They end with r and are not closed.
func (r *Region) Halves() (first, second *Region) {
	half := len(r.mem) / 2 &^ 7 // words are aligned
	slot := (half - offSlots) / 2
	return &Region{mem: r.mem[:half], slot: slot}, &Region{mem: r.mem[half:], slot: slot}
}

// Close unmaps the region.
func (r *Region) Close() error {
	mem := r.mem
	r.mem = nil
	if mem == nil {
		return nil
	}
	return unix.Munmap(mem)
}

// Clock returns word i, 0 ≤ i < Clocks. A new region holds zeros.
func (r *Region) Clock(i int) *atomic.Int64 {
	if i < 0 || i >= Clocks {
		panic("keep: clock out of range")
	}
	return (*atomic.Int64)(unsafe.Pointer(&r.mem[offClocks+8*i]))
}

func (r *Region) current() *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&r.mem[offCurrent]))
}

// Save makes v, as JSON, the record of the region.
func (r *Region) Save(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return r.SaveText(data)
}

// SaveText is Save for a record that is JSON already. It keeps no reference to it.
func (r *Region) SaveText(data []byte) error {
	if slotHeader+len(data) > r.slot {
		return fmt.Errorf("save state of %d bytes: %w", len(data), ErrTooLarge)
	}
	next := r.current().Load() + 1
	at := offSlots + int(next%2)*r.slot
	var header [slotHeader]byte
	binary.NativeEndian.PutUint32(header[:], uint32(len(data)))
	binary.NativeEndian.PutUint32(header[4:], crc32.ChecksumIEEE(data))
	if !written(r.mem[at:], header[:]) || !written(r.mem[at+slotHeader:], data) {
		return fmt.Errorf("save state of %d bytes: %w", len(data), ErrFull)
	}
	r.current().Store(next)
	return nil
}

// written copies data into a mapped file, and reports false when that has no page for it: the first write to a page of a tmpfs
// that is full is answered with SIGBUS, of which a process dies that does not expect it.
func written(mem, data []byte) (ok bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		fault := recover()
		if _, of := fault.(interface{ Addr() uintptr }); fault != nil && !of {
			panic(fault)
		}
		ok = fault == nil
	}()
	copy(mem, data)
	return true
}

// Load reads the record into v. It reports false for a region in which nothing was ever saved.
func (r *Region) Load(v any) (bool, error) {
	current := r.current().Load()
	if current == 0 {
		return false, nil
	}
	at := offSlots + int(current%2)*r.slot
	n := int(binary.NativeEndian.Uint32(r.mem[at:]))
	if slotHeader+n > r.slot {
		return false, fmt.Errorf("saved state: length %d is out of range", n)
	}
	data := r.mem[at+slotHeader : at+slotHeader+n]
	if crc32.ChecksumIEEE(data) != binary.NativeEndian.Uint32(r.mem[at+4:]) {
		return false, errors.New("saved state: wrong checksum")
	}
	if err := json.Unmarshal(data, v); err != nil {
		return false, fmt.Errorf("saved state: %w", err)
	}
	return true, nil
}
