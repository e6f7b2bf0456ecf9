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
	"time"
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
	b.userExists(raw.User, raw.Node, c.User)
}

// program reads a command that is run for an instance, and checks whom it runs as. One
// that is not there is a warning only: unlike a check, whose service would be down without
// it, the program may come later. One that others can change is an error.
func (b *builder) program(t *node, command list[opt[string]], as opt[string]) (args []string, user string) {
	args, user = b.command(command), as.or(b.scriptUser)
	if len(args) == 0 || !strings.HasPrefix(args[0], "/") {
		return args, user
	}
	first := command.Items[0].Node
	switch err := b.files.program(args[0]); {
	case errors.Is(err, errNoFiles): // and users are of files, too
		return args, user
	case errors.Is(err, fs.ErrNotExist):
		b.warn(first, "%s: %.200s is not there yet", first.label(), args[0])
	case err != nil:
		b.error(first, "%s: %.200s cannot be run: %v", first.label(), args[0], err)
	}
	b.userExists(as, t, user)
	return args, user
}

// userExists checks whom something in the table t runs as.
func (b *builder) userExists(as opt[string], t *node, name string) {
	if _, err := user.Lookup(name); err == nil {
		return
	}
	at := as.Node
	if at == nil {
		at = t
	}
	b.error(at, "user: there is no user %.40q to run it as", name)
}

// notify reads where transitions are told.
func (b *builder) notify(raw *rawNotify) *Notify {
	if raw == nil {
		return nil
	}
	n := &Notify{Stream: b.path(raw.Stream, "", maxSocketPath)}
	if !raw.Command.set() {
		if !raw.Stream.set() {
			b.need(raw.Node, nil, "command", `or "stream"`)
		}
		for _, at := range []*node{raw.User.Node, raw.Timeout.Node} {
			if at != nil {
				b.error(at, "%s: there is no command", at.label())
			}
		}
		return n
	}
	n.Command, n.User = b.program(raw.Node, raw.Command, raw.User)
	n.Timeout = b.duration(raw.Timeout, b.scriptTimeout, time.Millisecond, time.Hour)
	return n
}

// maxLinks bounds the symbolic links on the way to a program, as the kernel does.
const maxLinks = 40

// CheckProgram says why the program at an absolute path must not be run: it is not there, it is no program, or somebody
// else than root and us could put another in its place.
func CheckProgram(program string) error { return checkProgram(os.DirFS("/"), program) }

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
			return cause(err)
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
