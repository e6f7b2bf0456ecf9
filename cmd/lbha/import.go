package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lbha/lbha/cmd/internal/keepalived"
	"github.com/lbha/lbha/config"
)

const maxImport = 4 << 20 // bytes of a file

func importCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: "Turn a configuration of keepalived into one of lbha",
		Long: "import reads a keepalived.conf, with what it includes, and prints a configuration of lbha that loads. On standard error\n" +
			"it lists, as file:line, all that is not in it, or is in it in another way: read that list. What lbha refuses stands in\n" +
			"the result as a comment. Programs that are run must be on this host, or they are left out: import on the director.\n\n" +
			"It changes nothing, and needs neither keepalived nor a daemon.\n\n" +
			"Exit status: 0 all of it has an equivalent; 2 the list is not empty; 1 the file could not be read.",
		Example: "  lbha import /etc/keepalived/keepalived.conf >/etc/lbha/lbha.toml\n  lbha check /etc/lbha/lbha.toml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readImport(args[0])
			if err != nil {
				return err
			}
			r, err := importFile(keepalived.File{Name: args[0], Text: text})
			if err != nil {
				return err
			}
			if _, err := cmd.OutOrStdout().Write(r.TOML); err != nil {
				return err
			}
			for _, n := range r.Notes {
				fmt.Fprintln(cmd.ErrOrStderr(), n)
			}
			if len(r.Notes) > 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), plural(len(r.Notes), "note")+" on what is not, or not the same, in the result")
				return exit(2)
			}
			return nil
		},
	}
}

// importFile converts a file; a scratch file shows whether the result loads.
func importFile(f keepalived.File) (keepalived.Result, error) {
	scratch, err := os.CreateTemp("", "lbha-import-*.toml")
	if err != nil {
		return keepalived.Result{}, err
	}
	defer os.Remove(scratch.Name())
	defer scratch.Close()
	return keepalived.Import(f, readIncluded, func(text []byte) error {
		if err := os.WriteFile(scratch.Name(), text, 0o600); err != nil {
			return err
		}
		_, err := config.Load(scratch.Name())
		return err
	}), nil
}

// readIncluded reads the files that a pattern names, relative to the file it stands in.
func readIncluded(from, pattern string) ([]keepalived.File, error) {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(filepath.Dir(from), pattern)
	}
	names, err := filepath.Glob(pattern) // sorted
	if err != nil {
		return nil, err
	}
	var out []keepalived.File
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			continue // a pattern such as conf.d/* matches them as well
		}
		text, err := readImport(name)
		if err != nil {
			return nil, err
		}
		out = append(out, keepalived.File{Name: name, Text: text})
	}
	return out, nil
}

func readImport(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxImport+1))
	if err == nil && len(text) > maxImport {
		err = fmt.Errorf("%s has more than %d MiB", name, maxImport>>20)
	}
	return string(text), err
}
