package stage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// diskSize is that of the file system on which a director has its state and its log.
const diskSize = 64 << 20

// DiskOf is where the file system of a director of the stage is mounted.
func DiskOf(host string) string { return filepath.Join(runDir, host) }

// AddDisk makes a file system for a director.
func AddDisk(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("mode=755,size=%d", diskSize)); err != nil {
		return fmt.Errorf("a file system on %s: %w", dir, err)
	}
	return nil
}

// FillDisk leaves nothing free on a file system of [AddDisk], by making it as small as what is on it, or makes it as large as it was.
func FillDisk(dir string, full bool) error {
	size := int64(diskSize)
	// The daemon may write in the meantime, and then it would be too small.
	var err error
	for range 20 {
		if full {
			var fs unix.Statfs_t
			if err := unix.Statfs(dir, &fs); err != nil {
				return err
			}
			size = int64(fs.Blocks-fs.Bfree) * fs.Bsize
		}
		err = unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%d", size))
		if !errors.Is(err, unix.EINVAL) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("size of the file system on %s: %w", dir, err)
	}
	return nil
}
