package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path"
	"strings"
	"syscall"
)

// script fills in a check that runs a program.
func (b *builder) script(raw *rawCheck, c *Check) {
	b.need(raw.Node, raw.Command.Node, "command", "an absolute path and arguments")
	c.User = raw.User.or(b.scriptUser)
	if !raw.Command.set() {
		return
	}
	c.Command = b.command(raw.Command)
	if len(c.Command) == 0 || !strings.HasPrefix(c.Command[0], "/") {
		return
	}
	if err := b.files.program(c.Command[0]); err != nil {
		b.error(raw.Command.Items[0].Node, "%s: %.200s cannot be run: %v", raw.Command.Items[0].Node.label(), c.Command[0], err)
		return
	}
	if _, err := user.Lookup(c.User); err != nil {
		at := raw.User.Node
		if at == nil {
			at = raw.Node
		}
		b.error(at, "user: there is no user %.40q to run the check as", c.User)
	}
}

// maxLinks bounds the symbolic links on the way to a program, as the kernel does.
const maxLinks = 40

// checkProgram says why a program must not be run, seen from the root directory: it is not
// there, it is no program, or somebody else than root and us could put another in its
// place, because a directory or link on the way to it, or it itself, is theirs to write.
func checkProgram(root fs.FS, program string) error {
	at := "." // where we are: a path without links, each part of which is trusted
	info, err := fs.Lstat(root, at)
	if err == nil {
		err = trusted("/", info)
	}
	links := 0
	for left := strings.Split(program, "/"); err == nil && len(left) > 0; {
		part := left[0]
		left = left[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		name := path.Join(at, part)
		if info, err = fs.Lstat(root, name); err != nil {
			return errors.New(reason(err))
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at, err = name, trusted("/"+name, info)
			continue
		}
		target, linkErr := fs.ReadLink(root, name)
		if links++; linkErr != nil || links > maxLinks {
			return errors.New("too many symbolic links")
		}
		if path.IsAbs(target) {
			at = "."
		}
		left = append(strings.Split(target, "/"), left...)
	}
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file")
	case info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("it is not executable (mode %04o)", info.Mode().Perm())
	}
	return nil
}

// trusted says who else than root and us may change what is at a place.
func trusted(name string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("others than its owner can write to %s (mode %04o)", name, mode)
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 && int(s.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to another user (uid %d)", name, s.Uid)
	}
	return nil
}
