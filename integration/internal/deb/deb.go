package deb

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Package says what to make.
type Package struct {
	Root    string // the module's directory
	Version string // as Debian orders them: "1.2.3", "1.3.0~rc1"
	Out     string // directory of the result
}

// Build compiles, stages and packs. It needs go and dpkg-deb, and returns the path of the package.
func (p *Package) Build(ctx context.Context) (path string, err error) {
	stage, err := os.MkdirTemp("", "lbha-deb-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	if err := os.Chmod(stage, 0o755); err != nil { // it becomes the mode of /
		return "", err
	}
	binary := filepath.Join(stage, "usr/sbin/lbha")
	for _, step := range []func() error{
		func() error { return p.compile(ctx, binary) },
		func() error { return p.units(stage) },
		func() error { return p.documents(ctx, stage, binary) },
		func() error { return control(stage, p.Version) },
	} {
		if err := step(); err != nil {
			return "", err
		}
	}
	path = filepath.Join(p.Out, fmt.Sprintf("lbha_%s_%s.deb", p.Version, architecture()))
	return path, run(ctx, "dpkg-deb", "--root-owner-group", "-Zxz", "--build", stage, path)
}

// architecture is Debian's name of this one: as Go's, but for those that lbha does not support.
func architecture() string { return runtime.GOARCH }

func (p *Package) compile(ctx context.Context, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X main.release="+p.Version, "-o", to, "./cmd/lbha")
	cmd.Dir = p.Root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return output(cmd)
}

// units are the files of the package that are in the repository: where from, where to.
func (p *Package) units(stage string) error {
	files := map[string]string{
		"examples/systemd/lbha.service":             "lib/systemd/system/lbha.service",
		"examples/systemd/lbha-realserver@.service": "lib/systemd/system/lbha-realserver@.service",
		"examples/systemd/lbha.modules.conf":        "usr/lib/modules-load.d/lbha.conf",
		"examples/systemd/lbha-scripts.conf":        "usr/share/doc/lbha/examples/lbha-scripts.conf",
		"LICENSE":                                   "usr/share/doc/lbha/copyright",
	}
	examples, err := filepath.Glob(filepath.Join(p.Root, "examples/*.toml"))
	if err != nil {
		return err
	}
	for _, path := range examples {
		files["examples/"+filepath.Base(path)] = "usr/share/doc/lbha/examples/" + filepath.Base(path)
	}
	for from, to := range files {
		text, err := os.ReadFile(filepath.Join(p.Root, from))
		if err != nil {
			return err
		}
		if err := write(filepath.Join(stage, to), string(text), 0o644); err != nil {
			return err
		}
	}
	return write(filepath.Join(stage, configuration), defaultConfiguration, 0o640)
}

// documents lets the binary write its manual pages and completions.
func (p *Package) documents(ctx context.Context, stage, binary string) error {
	pages := filepath.Join(stage, "usr/share/man/man8")
	if err := run(ctx, binary, "man", pages); err != nil {
		return err
	}
	if err := compress(pages); err != nil {
		return err
	}
	for shell, to := range map[string]string{
		"bash": "usr/share/bash-completion/completions/lbha",
		"zsh":  "usr/share/zsh/vendor-completions/_lbha",
		"fish": "usr/share/fish/vendor_completions.d/lbha.fish",
	} {
		text, err := exec.CommandContext(ctx, binary, "completion", shell).Output()
		if err != nil {
			return fmt.Errorf("completion for %s: %w", shell, err)
		}
		if err := write(filepath.Join(stage, to), string(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compress replaces every file below dir by its gzip, as Debian has manual pages.
func compress(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(path+".gz", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
		if err != nil {
			return errors.Join(err, f.Close())
		}
		_, err = z.Write(text)
		return errors.Join(err, z.Close(), f.Close(), os.Remove(path))
	})
}

func write(path, text string, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), mode)
}

func run(ctx context.Context, name string, args ...string) error {
	return output(exec.CommandContext(ctx, name, args...))
}

// output runs a command and makes what it said part of its error.
func output(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, strings.TrimSpace(string(out)))
	}
	return nil
}
