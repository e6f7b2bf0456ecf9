package keep

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// ErrNoMemory is returned for a directory that is not on a tmpfs.
	ErrNoMemory = errors.New("not on a tmpfs")
	// ErrTaken is returned by File while another process has the file open: there is another daemon, or the
	// processes of one that died have not quite ended.
	ErrTaken = errors.New("another lbha uses it")
)

// patience is how long the processes of a daemon that died may take to end: they have been sent SIGKILL.
const patience = 3 * time.Second

// identity is what a file must say to be taken up: its layout, and the boot of which its instants are.
func identity() ([]byte, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, fmt.Errorf("boot id: %w", err)
	}
	id := make([]byte, offClocks-offIdentity)
	copy(id, "lbha 1 "+strings.TrimSpace(string(boot)))
	return id, nil
}

// File opens the memory file of a name in a directory, with what a former daemon saved in it, or an empty one. The
// file is locked for as long as any process has it open, so that two daemons never share it. Its processes inherit the
// lock with the descriptor.
func File(dir, name string, size int64) (*os.File, error) {
	if err := InMemory(dir); err != nil {
		return nil, fmt.Errorf("memory file: %w", err)
	}
	path := filepath.Join(dir, name)
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("memory file %s: %w", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	if err := takeUp(f, size); err != nil {
		f.Close()
		return nil, fmt.Errorf("memory file %s: %w", path, err)
	}
	return f, nil
}

// InMemory is nil for a directory whose files are on no disk, and end with the boot: fit for secrets, and for instants. Else it
// says why not: ErrNoMemory, wrapped, if the directory is somewhere else.
func InMemory(dir string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if fs.Type != unix.TMPFS_MAGIC && fs.Type != unix.RAMFS_MAGIC {
		return fmt.Errorf("%s: %w", dir, ErrNoMemory)
	}
	return nil
}

// takeUp locks f and makes it empty, unless it is of this boot and layout.
func takeUp(f *os.File, size int64) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if err != unix.EWOULDBLOCK {
			return err
		}
		if time.Now().After(deadline) {
			return ErrTaken
		}
	}
	want, err := identity()
	if err != nil {
		return err
	}
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	have := make([]byte, len(want))
	if _, err := f.ReadAt(have, offIdentity); err == nil && fi.Size() == size && string(have) == string(want) {
		return reserve(f, size)
	}
	if err := errors.Join(f.Truncate(0), f.Truncate(size), reserve(f, size)); err != nil {
		return err
	}
	_, err = f.WriteAt(want, offIdentity)
	return err
}

// usualRecord is how long the record of an ordinary configuration may be, in bytes.
const usualRecord = 32 << 10

// reserve makes the file system give at once what a file of this size needs to be of use: its clocks, and the begin of both slots.
// Somebody else may fill it later.
func reserve(f *os.File, size int64) error {
	slot := (size - offSlots) / 2
	usual := min(usualRecord, slot)
	return errors.Join(
		unix.Fallocate(int(f.Fd()), 0, 0, offSlots+usual),
		unix.Fallocate(int(f.Fd()), 0, offSlots+slot, usual),
	)
}
