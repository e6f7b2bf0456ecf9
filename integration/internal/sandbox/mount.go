package sandbox

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mount is one mount(2), in a form that reads as a table.
type mount struct {
	source, target, fstype string
	flags                  uintptr
	data                   string
}

func (m mount) do() error {
	if err := os.MkdirAll(m.target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(m.source, m.target, m.fstype, m.flags, m.data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", m.fstype, m.target, err)
	}
	return nil
}

func mountAll(mounts ...mount) error {
	for _, m := range mounts {
		if err := m.do(); err != nil {
			return err
		}
	}
	return nil
}

// mountUserMode turns the read-only host tree into a writable one: an overlay whose upper layer is memory. Nothing that
// happens inside can reach the host's files but through the work directory, which is a mount of its own.
func mountUserMode(work string) error {
	const base = "/run"
	if err := mountAll(
		mount{"proc", "/proc", "proc", 0, ""},
		mount{"tmpfs", base, "tmpfs", 0, "mode=755"},
	); err != nil {
		return err
	}
	if err := loadModule("overlay"); err != nil {
		return err
	}
	upper, scratch, root := base+"/upper", base+"/scratch", base+"/root"
	for _, dir := range []string{upper, scratch, root} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := mountAll(
		mount{"overlay", root, "overlay", 0, "lowerdir=/,upperdir=" + upper + ",workdir=" + scratch},
		mount{"proc", root + "/proc", "proc", 0, ""},
		mount{"sysfs", root + "/sys", "sysfs", 0, ""},
		mount{"devtmpfs", root + "/dev", "devtmpfs", 0, "mode=755"},
		mount{"devpts", root + "/dev/pts", "devpts", 0, ""},
		mount{"tmpfs", root + "/dev/shm", "tmpfs", 0, "mode=1777"},
		mount{"tmpfs", root + "/run", "tmpfs", 0, "mode=755"},
		mount{"none", filepath.Join(root, work), "hostfs", 0, work},
	); err != nil {
		return err
	}
	// The kernel asks /sbin/modprobe for what it lacks, and that looks only here.
	modules := filepath.Join(root, "usr/lib/modules")
	if err := os.MkdirAll(modules, 0o755); err != nil {
		return err
	}
	release := KernelRelease()
	if err := os.Symlink(userModeModules(release), filepath.Join(modules, release)); err != nil && !os.IsExist(err) {
		return err
	}
	return enter(root)
}

// enter makes root the root directory of this process and its children, as switch_root(8) does.
func enter(root string) error {
	if err := unix.Chdir(root); err != nil {
		return fmt.Errorf("enter the overlay: %w", err)
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move the overlay to the root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("enter the overlay: %w", err)
	}
	return unix.Chdir("/")
}

// mountHost hides what daemons share through the file system from the host. Everything else is the host's: a job writes where tests do, into
// temporary files of its own.
func mountHost() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	return mountAll(
		mount{"tmpfs", "/run", "tmpfs", 0, "mode=755"},
		mount{"proc", "/proc", "proc", 0, ""},
		mount{"sysfs", "/sys", "sysfs", 0, ""},
		mount{"tmpfs", "/var/log", "tmpfs", 0, "mode=755"},
	)
}
