package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/BurntSushi/toml"
)

// Limits of what is read. 10,000 servers take about 1 MiB.
const (
	maxFileSize = 16 << 20 // of one configuration file, and of a file of certificates
	maxFiles    = 1000
	maxKeyFile  = 4096
)

// Load reads the configuration at path and the files that it includes. A Config that it
// returns is valid as a whole; otherwise the error is Diagnostics, with every fault of
// every file.
func Load(path string) (*Config, error) {
	l := &loader{files: disk{}}
	l.load(path, nil)
	return l.finish()
}

// Parse is Load for a text that is at hand. It reads no file: include and every other key
// that names a file to read at load are errors. The name stands in diagnostics.
func Parse(name string, text []byte) (*Config, error) {
	l := &loader{files: none{}, names: []string{name}}
	l.root = l.parse(name, text)
	if l.root != nil {
		l.include(l.root)
	}
	return l.finish()
}

// loader joins the files of a configuration into one document.
type loader struct {
	report
	files files
	root  *node    // the first file, with the others merged into it
	names []string // of the files read
}

// finish turns the document into a Config.
func (l *loader) finish() (*Config, error) {
	var c *Config
	if l.root != nil {
		var raw rawConfig
		decode(&l.report, l.root, &raw)
		var found Diagnostics
		c, found = build(&raw, l.files, hostName())
		l.found = append(l.found, found...)
		l.nothing(c)
	}
	all := l.found.sorted(l.names)
	if all.refuses() {
		return nil, all
	}
	c.Files, c.Warnings = l.names, all
	c.Hash = c.hash()
	return c, nil
}

// nothing refuses what sets no key at all: a file that was cut off, or an include that no file matches any more, would take
// every address and service away at a reload. Whoever means that can say so: with [global].
func (l *loader) nothing(c *Config) {
	switch {
	case len(c.Instances) > 0 || len(c.Services) > 0 || l.found.refuses():
	case len(l.root.members) == 0:
		l.errorHint(l.root, "if that is meant, write [global]", "nothing is set: no [[vrrp]], no [[service]]")
	default:
		l.warn(l.root, "no [[vrrp]] and no [[service]]: there is nothing to do")
	}
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil || !plainWord(name) {
		return "localhost"
	}
	return name
}

// hash identifies what the configuration says, however it is written.
func (c *Config) hash() string {
	sum := sha256.New()
	encoder := json.NewEncoder(sum)
	err := encoder.Encode([]any{c.Global, c.Instances, c.Groups})
	var s Service
	var text []byte
	for i := range c.Services { // one by one: all of them together are megabytes
		s = c.Services[i]
		s.Servers, text = nil, text[:0]
		for _, v := range c.Services[i].Servers {
			if p, plain := v.plain(); plain {
				text = append(p.appendTo(text), '\n')
			} else {
				text = append(text, "{}\n"...) // and the whole of it with the service
				s.Servers = append(s.Servers, v)
			}
		}
		sum.Write(text)
		err = errors.Join(err, encoder.Encode(&s))
	}
	if err != nil {
		panic(fmt.Sprintf("config: a valid configuration does not encode: %v", err))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// load reads one file and what it includes. from is the pattern that named it, nil for
// the first.
func (l *loader) load(path string, from *node) {
	text, _, err := l.files.read(path, maxFileSize)
	switch {
	case err != nil && from == nil:
		l.found = append(l.found, Diagnostic{File: path, Message: "cannot be read: " + reason(err), Severity: Error})
		return
	case err != nil:
		l.error(from, "include: %s cannot be read: %s", path, reason(err))
		return
	case slices.Contains(l.names, path):
		l.error(from, "include: %s is read already", path)
		return
	case len(l.names) == maxFiles:
		l.error(from, "include: more than %d files", maxFiles)
		return
	}
	l.names = append(l.names, path)
	n := l.parse(path, text)
	switch {
	case n == nil:
		return
	case l.root == nil:
		l.root = n
	default:
		l.merge(l.root, n)
	}
	l.include(n)
}

// parse reads one text into a tree of nodes, nil if it is not TOML.
func (l *loader) parse(file string, text []byte) *node {
	text = trimMark(text)
	n, plain, excess := scan(file, text)
	switch {
	case excess != nil:
		l.found = append(l.found, *excess)
		return nil
	case plain:
		return n
	}
	var values map[string]any
	if _, err := toml.Decode(string(text), &values); err != nil {
		d := Diagnostic{File: file, Message: err.Error(), Severity: Error}
		if syntax, ok := errors.AsType[toml.ParseError](err); ok {
			d = syntaxError(file, text, syntax)
		}
		l.found = append(l.found, d)
		return nil
	}
	n.attach(values)
	return n
}

// placeOf turns an offset into a place.
func placeOf(text []byte, offset int) position {
	before := text[:max(0, min(offset, len(text)))]
	return place(1+bytes.Count(before, []byte("\n")), len(before)-bytes.LastIndexByte(before, '\n'))
}

// trimMark takes off a byte order mark, each one that the parser would skip: scan counts
// columns as the parser does.
func trimMark(text []byte) []byte {
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if rest, found := bytes.CutPrefix(text, []byte(mark)); found {
			return rest
		}
	}
	return text
}

// include loads what a file includes, in the order of its patterns and, within one,
// sorted by name.
func (l *loader) include(root *node) {
	at := root.member("include")
	if at == nil {
		return
	}
	var patterns list[opt[string]]
	patterns.decode(&l.report, at)
	root.members = slices.DeleteFunc(root.members, func(m *node) bool { return m == at }) // so that it is reported once, and merged never
	for _, p := range patterns.Items {
		if !p.set() {
			continue
		}
		paths, err := l.files.glob(relative(p))
		switch {
		case err != nil:
			l.error(p.Node, "include: %.80q: %s", p.Value, reason(err))
		case len(paths) == 0 && !strings.ContainsAny(p.Value, "*?["):
			l.error(p.Node, "include: %.80q does not exist", p.Value)
		}
		for _, path := range paths {
			l.load(path, p.Node)
		}
	}
}

// merge adds the tables of another file to dst. Arrays of tables at the top ([[vrrp]],
// [[service]]) add up; every other key may be set in one file only.
func (l *loader) merge(dst, src *node) {
	for _, m := range src.byName() {
		switch have := dst.member(m.name); {
		case m.name == "include" && src.parent == nil:
		case have == nil:
			dst.members = append(dst.members, m)
		case have.kind == table && m.kind == table:
			l.merge(have, m)
		case src.parent == nil && have.kind == array && m.kind == array:
			have.members = append(have.members, m.members...)
		default:
			l.error(m, "%s: is set already, in line %d of %s", m.path(), have.key.line, have.file())
		}
	}
}

// relative returns the path that o holds, seen from the directory of its file, as a
// pattern in which that directory stands for itself.
func relative(o opt[string]) string {
	if filepath.IsAbs(o.Value) {
		return filepath.Clean(o.Value)
	}
	dir := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(filepath.Dir(o.Node.file()))
	return filepath.Join(dir, o.Value)
}

// readSecret reads a file that holds a secret, nil if it cannot, and warns if others can.
func (b *builder) readSecret(o opt[string]) []byte {
	text, _, mode := b.open(o, maxKeyFile)
	if text != nil {
		b.guard(o, mode)
	}
	return text
}

// guard warns of a secret file that others can read.
func (b *builder) guard(o opt[string], mode fs.FileMode) {
	if mode.Perm()&0o077 != 0 {
		b.warn(o.Node, "%s: %s can be read by others than its owner (mode %04o)", o.Node.label(), o.Value, mode.Perm())
	}
}

// open reads a file that a setting names, relative to the file that holds the setting, and
// returns its content, nil if there is none, its absolute path and its mode.
func (b *builder) open(o opt[string], limit int64) ([]byte, string, fs.FileMode) {
	path := o.Value
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(o.Node.file()), path)
	}
	text, mode, err := b.files.read(path, limit)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	switch {
	case err != nil:
		b.error(o.Node, "%s: %s cannot be read: %s", o.Node.label(), o.Value, reason(err))
		return nil, "", 0
	case len(text) == 0:
		b.error(o.Node, "%s: %s is empty", o.Node.label(), o.Value)
		return nil, "", 0
	}
	return text, path, mode
}

// files is what of a file system a configuration needs.
type files interface {
	// read returns the content of a regular file of at most limit bytes, and its mode.
	read(path string, limit int64) ([]byte, fs.FileMode, error)
	// glob returns the paths that match a pattern, sorted.
	glob(pattern string) ([]string, error)
	// program says why a file must not be run.
	program(path string) error
	// credentials is the directory of what systemd passed, "" if it passed nothing.
	credentials() string
}

// disk is the file system.
type disk struct{}

func (disk) program(path string) error { return CheckProgram(path) }

func (disk) credentials() string { return os.Getenv("CREDENTIALS_DIRECTORY") }

func (disk) glob(pattern string) ([]string, error) { return filepath.Glob(pattern) }

var errNotRegular = errors.New("not a regular file")

func (disk) read(path string, limit int64) ([]byte, fs.FileMode, error) {
	// Asked before it is opened, because to open a device may do something. And asked again, of what was opened without
	// waiting for the writer of a named pipe: somebody may have put another file there meanwhile.
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		return nil, 0, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		return nil, 0, err
	}
	var text bytes.Buffer
	text.Grow(int(min(info.Size(), limit)) + bytes.MinRead) // so that what is large is not copied while it grows
	_, err = text.ReadFrom(io.LimitReader(f, limit+1))
	if err == nil && int64(text.Len()) > limit {
		err = fmt.Errorf("larger than %d bytes", limit)
	}
	return text.Bytes(), info.Mode(), err
}

// none is a file system without files.
type none struct{}

var errNoFiles = errors.New("a text alone reads no files")

func (none) program(string) error                            { return errNoFiles }
func (none) credentials() string                             { return "" }
func (none) glob(string) ([]string, error)                   { return nil, errNoFiles }
func (none) read(string, int64) ([]byte, fs.FileMode, error) { return nil, 0, errNoFiles }

// cause is an error without the path that the message names already.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// reason is the text of a cause.
func reason(err error) string { return cause(err).Error() }
