package suite

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is one line of test2json's output (go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// Test names a test function of a package.
type Test struct{ Package, Name string }

func (t Test) String() string { return t.Package + " " + t.Name }

// compare orders by package, then by name.
func compare(a, b Test) int {
	return cmp.Or(strings.Compare(a.Package, b.Package), strings.Compare(a.Name, b.Name))
}

// state is what became of a test. Higher wins when a test ran twice.
type state int

const (
	skipped state = iota + 1
	passed
	failed
)

// Tally counts tests by what became of them. Subtests count with the function that they belong to; one that was skipped is a
// skipped test of its own.
type Tally struct {
	tests   map[Test]state
	reasons map[Test]string
	// broken are packages that failed without a failing test: they do not build, or a test ended the process.
	broken map[string]bool
}

// NewTally returns an empty tally.
func NewTally() *Tally {
	return &Tally{tests: map[Test]state{}, reasons: map[Test]string{}, broken: map[string]bool{}}
}

// Read follows a stream of test2json. It writes to out what go test would print: the closing line of each package, and everything that a
// failed test said.
func (t *Tally) Read(stream io.Reader, out io.Writer) error {
	said := map[Test]*strings.Builder{}
	failures := map[string]int{}
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			// What a compiler says comes between the events.
			fmt.Fprintln(out, lines.Text())
			continue
		}
		key := Test{e.Package, e.Test}
		switch e.Action {
		case "output", "build-output":
			if e.Test == "" {
				if closing(e.Output) {
					fmt.Fprint(out, e.Output)
				}
				continue
			}
			if said[key] == nil {
				said[key] = new(strings.Builder)
			}
			said[key].WriteString(e.Output)
		case "pass", "fail", "skip":
			if e.Test == "" {
				if e.Action == "fail" && failures[e.Package] == 0 {
					t.broken[e.Package] = true
				}
				continue
			}
			t.end(key, e.Action, text(said[key]))
			if e.Action == "fail" {
				failures[e.Package]++
				fmt.Fprint(out, text(said[key]))
			}
			delete(said, key)
		}
	}
	// A test that ended the process has no end of its own.
	for key, b := range said {
		if t.tests[key] == 0 && !strings.Contains(key.Name, "/") {
			t.tests[key] = failed
			fmt.Fprintf(out, "%s did not end:\n%s", key, b)
		}
	}
	return lines.Err()
}

// end notes the end of a test or subtest.
func (t *Tally) end(key Test, action, said string) {
	if strings.Contains(key.Name, "/") && action != "skip" {
		// Its function says the same. It is no skipped test any more, if it was one elsewhere.
		delete(t.tests, key)
		return
	}
	became := map[string]state{"pass": passed, "fail": failed, "skip": skipped}[action]
	t.tests[key] = max(t.tests[key], became)
	if became == skipped && t.tests[key] == skipped {
		t.reasons[key] = reason(said)
	}
}

func text(b *strings.Builder) string {
	if b == nil {
		return ""
	}
	return b.String()
}

// closing reports whether a line of a package is one that go test prints without -v, and one worth printing.
func closing(line string) bool {
	return line != "PASS\n" && !strings.Contains(line, "[no test files]") && strings.TrimSpace(line) != ""
}

// reason finds what a skipped test said: "    x_test.go:12: the reason".
func reason(said string) string {
	for line := range strings.Lines(said) {
		if _, after, ok := strings.Cut(line, "_test.go:"); ok {
			if _, why, ok := strings.Cut(after, ": "); ok {
				return strings.TrimSpace(why)
			}
		}
	}
	return "no reason given"
}

// Skipped lists the tests that were skipped wherever they ran.
func (t *Tally) Skipped() (list []Test) {
	for key, s := range t.tests {
		if s == skipped {
			list = append(list, key)
		}
	}
	slices.SortFunc(list, compare)
	return list
}

// Reason is why a test was skipped.
func (t *Tally) Reason(key Test) string { return t.reasons[key] }

// Count sums up. A package that is broken counts as one failure.
func (t *Tally) Count() (pass, fail, skip int) {
	for _, s := range t.tests {
		switch s {
		case passed:
			pass++
		case failed:
			fail++
		case skipped:
			skip++
		}
	}
	return pass, fail + len(t.broken), skip
}

// Outcomes says of each test function that ran whether it passed.
func (t *Tally) Outcomes() map[Test]bool {
	outcomes := make(map[Test]bool, len(t.tests))
	for key, s := range t.tests {
		if s != skipped {
			outcomes[key] = s == passed
		}
	}
	return outcomes
}

// Broken lists packages that failed without a failing test.
func (t *Tally) Broken() []string { return slices.Sorted(maps.Keys(t.broken)) }
