package track

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// directories tells who asked when something happens to a name in a directory. Events are hints: which name it was, and
// what happened, is not told, and one that was lost (the kernel's queue has an end) is told to everybody.
//
// The directory is watched, not the file, because a file that is replaced is another file. That a file was written is
// told when it is closed: a half of a number is a number, too.
type directories struct {
	inotify *os.File // nil: the kernel has none for us, and nothing is told

	mu    sync.Mutex
	pokes map[int32][]chan struct{} // by watch descriptor
}

const happenings = unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
	unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

func newDirectories() *directories {
	d := &directories{pokes: make(map[int32][]chan struct{})}
	if fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err == nil {
		d.inotify = os.NewFile(uintptr(fd), "inotify")
	}
	return d
}

// watch has poke, which has room for one, told of the directory, however often it is asked. It reports whether the
// directory could be watched: one that is not there cannot.
func (d *directories) watch(path string, poke chan struct{}) bool {
	if d.inotify == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	// The same directory is the same descriptor; another one in its place is another.
	wd := int32(-1)
	raw, err := d.inotify.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		if n, err := unix.InotifyAddWatch(int(fd), path, happenings); err == nil {
			wd = int32(n)
		}
	})
	if wd >= 0 && slices.Contains(d.pokes[wd], poke) {
		return true
	}
	d.drop(poke)
	if wd >= 0 {
		d.pokes[wd] = append(d.pokes[wd], poke)
	}
	return wd >= 0
}

// forget tells poke no more.
func (d *directories) forget(poke chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop(poke)
}

func (d *directories) drop(poke chan struct{}) {
	for wd, pokes := range d.pokes {
		n := slices.Index(pokes, poke)
		if n < 0 {
			continue
		}
		if pokes = slices.Delete(pokes, n, n+1); len(pokes) > 0 {
			d.pokes[wd] = pokes
			continue
		}
		delete(d.pokes, wd)
		if raw, err := d.inotify.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(wd)) })
		}
	}
}

// Run tells until ctx ends.
func (d *directories) Run(ctx context.Context) error {
	if d.inotify == nil {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { d.inotify.Close() })
	defer stop()
	buf := make([]byte, 16<<10)
	for {
		n, err := d.inotify.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("inotify: %w", err)
		}
		for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			wd, mask := int32(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint32(b[4:])
			d.tell(wd, mask&unix.IN_Q_OVERFLOW != 0)
			b = b[min(len(b), unix.SizeofInotifyEvent+int(binary.NativeEndian.Uint32(b[12:]))):]
		}
	}
}

func (d *directories) tell(wd int32, everybody bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for of, pokes := range d.pokes {
		if of != wd && !everybody {
			continue
		}
		for _, poke := range pokes {
			select {
			case poke <- struct{}{}:
			default:
			}
		}
	}
}
