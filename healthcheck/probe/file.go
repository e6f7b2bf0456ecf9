package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/healthcheck"
)

// maxFile is what is read of a file, in bytes.
const maxFile = 4 << 10

// A fileProber reads a file whose first word says "up" or "down": the state of the
// server as an operator or another program has written it. A number in its place is up
// with that weight, or with that share of the configured one: "12", "50%". A file that
// is not there says nothing, which is not "up".
type fileProber struct{ path string }

func newFile(o Options) (*fileProber, error) {
	if !filepath.IsAbs(o.File) {
		return nil, fmt.Errorf("file %.100q is not an absolute path", o.File)
	}
	return &fileProber{o.File}, nil
}

func (p *fileProber) Probe(ctx context.Context) healthcheck.Result {
	if err := ctx.Err(); err != nil {
		return healthcheck.Failed(healthcheck.FailureCanceled, "canceled before the file was read")
	}
	text, err := p.read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return healthcheck.Failed(healthcheck.FailureStatus, "there is no file "+p.path)
	case err != nil:
		return healthcheck.Failed(healthcheck.FailureLocal, err.Error())
	}
	return judgeFile(text)
}

// read reads the file without ever waiting for it: one that is no regular file, but
// a pipe or a device, could make it.
func (p *fileProber) read() ([]byte, error) {
	f, err := os.OpenFile(p.path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", p.path)
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

func judgeFile(text []byte) healthcheck.Result {
	words := strings.Fields(string(text))
	switch {
	case len(words) == 0:
		return healthcheck.Failed(healthcheck.FailureBody, "the file is empty")
	case strings.EqualFold(words[0], "up"):
		return healthcheck.Passed("file: " + strings.Join(words, " "))
	case strings.EqualFold(words[0], "down"):
		return healthcheck.Failed(healthcheck.FailureStatus, "file: "+strings.Join(words, " "))
	}
	var weight healthcheck.Weight
	if weight.UnmarshalText([]byte(words[0])) != nil {
		return healthcheck.Failed(healthcheck.FailureBody, fmt.Sprintf("the file begins with %.40q, want up, down or a weight", words[0]))
	}
	r := healthcheck.Passed("file: " + strings.Join(words, " "))
	r.Weight = weight
	return r
}
