package suite

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Binary is a compiled test package and what to run of it.
type Binary struct {
	Package string `json:"package"`
	Dir     string `json:"dir"`  // of the package's source: tests read testdata from there
	Path    string `json:"path"` // of the compiled test
	Run     string `json:"run"`  // pattern of the tests to run
}

// binaries groups tests by package.
func binaries(tests []Test) (list []Binary) {
	byPackage := map[string][]string{}
	var order []string
	for _, t := range tests {
		if byPackage[t.Package] == nil {
			order = append(order, t.Package)
		}
		name, _, _ := strings.Cut(t.Name, "/")
		if !slices.Contains(byPackage[t.Package], name) {
			byPackage[t.Package] = append(byPackage[t.Package], name)
		}
	}
	for _, pkg := range order {
		list = append(list, Binary{Package: pkg, Run: "^(" + strings.Join(byPackage[pkg], "|") + ")$"})
	}
	return list
}

// Compile compiles the packages of tests into a directory, statically, for the inside of a world. root is the module's directory.
func Compile(ctx context.Context, root, dir string, tests []Test, environ []string) ([]Binary, error) {
	list := binaries(tests)
	for i := range list {
		b := &list[i]
		out, err := command(ctx, root, environ, "go", "list", "-f", "{{.Dir}}", b.Package).Output()
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", b.Package, err)
		}
		b.Dir = strings.TrimSpace(string(out))
		b.Path = filepath.Join(dir, fmt.Sprintf("%d.test", i))
		if out, err := command(ctx, root, environ, "go", "test", "-c", "-o", b.Path, b.Package).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("compile the tests of %s: %w\n%s", b.Package, err, out)
		}
	}
	return list, nil
}

func command(ctx context.Context, dir string, environ []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = environ
	return cmd
}

// binaryTimeout bounds the tests of one package.
const binaryTimeout = 3 * time.Minute

// RunBinaries runs compiled tests, inside a world, and returns what each said: the input of test2json. say gets a line for each package.
func RunBinaries(ctx context.Context, list []Binary, say func(string, ...any)) []string {
	var said []string
	for _, b := range list {
		begin := time.Now()
		cmd := exec.CommandContext(ctx, b.Path, "-test.v=test2json", "-test.timeout="+binaryTimeout.String(), "-test.run="+b.Run)
		cmd.Dir = b.Dir
		out, err := cmd.CombinedOutput()
		how := "passed"
		if err != nil {
			// Which test it was is in the output; that there was one must not get lost if the output ends early.
			how = err.Error()
			out = append(out, "\nFAIL\n"...)
		}
		say("  %s %s: %s in %.1f s", b.Package, b.Run, how, time.Since(begin).Seconds())
		said = append(said, string(out))
	}
	return said
}
