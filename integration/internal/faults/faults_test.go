package faults

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestProofsExist holds that every proof among the tests of Go is one, and its transcript is there.
func TestProofsExist(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	for i, r := range slices.Concat(Rows, Own) {
		if n := i%len(Rows) + 1; r.Number != n {
			t.Errorf("row %d has the number %d", n, r.Number)
		}
		if (len(r.Held) == 0) != (r.Why != "") {
			t.Errorf("row %d has proofs, or says why not", r.Number)
		}
		for _, proof := range r.Held {
			fields := strings.Fields(proof)
			if fields[0] == "scenarios" {
				if _, err := os.Stat(filepath.Join(root, "integration", "scenarios", fields[1]+".scenario")); err != nil {
					t.Errorf("row %d: %v", r.Number, err)
				}
			}
			if fields[0] != "go" {
				continue
			}
			if !declares(t, filepath.Join(root, fields[1]), fields[2]) {
				t.Errorf("row %d: %s has no %s", r.Number, fields[1], fields[2])
			}
			if len(fields) > 3 {
				if _, err := os.Stat(filepath.Join(root, fields[1], "testdata", fields[3])); err != nil {
					t.Errorf("row %d: %v", r.Number, err)
				}
			}
		}
	}
}

// declares reports whether a package has a test.
func declares(t *testing.T, dir, test string) bool {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	declaration := regexp.MustCompile(`(?m)^func ` + test + `\(`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if declaration.Match(text) {
			return true
		}
	}
	return false
}

func TestVerdicts(t *testing.T) {
	r := Row{Held: []string{"go a TestB c.txt", "drill d"}}
	for _, c := range []struct {
		outcomes Outcomes
		want     string
	}{
		{Outcomes{}, "not run"},
		{Outcomes{"go a TestB": true}, "holds"},
		{Outcomes{"go a TestB": true, "drill d": false}, "**fails**: drill d"},
	} {
		if got := r.verdict(c.outcomes); got != c.want {
			t.Errorf("%v: %q, want %q", c.outcomes, got, c.want)
		}
	}
}

// TestThePageIsOfThisList: whoever changes the list makes the page again.
func TestThePageIsOfThisList(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "FAULTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range slices.Concat(Rows, Own) {
		if !strings.Contains(string(text), "| "+r.Fault+" | "+r.Expected+" |") {
			t.Errorf("row %d is not on the page: go run ./integration/lab test --faults integration/FAULTS.md", r.Number)
		}
	}
}
