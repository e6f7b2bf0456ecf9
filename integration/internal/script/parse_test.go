package script

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The golden files are rewritten with -rewrite; what changes is read in review.
func TestParse(t *testing.T) {
	datadriven.RunTest(t, "testdata/parse.txt", func(t *testing.T, d *datadriven.TestData) string {
		s, err := Parse("pair.scenario", d.Input+"\n")
		if err != nil {
			return err.Error() + "\n"
		}
		return s.String()
	})
}

// withoutPositions compares scenarios that were written in different places.
var withoutPositions = cmp.Options{cmpopts.IgnoreTypes(Position{}), cmpopts.EquateEmpty()}

// again writes a scenario and reads it, and reports what is not the same.
func again(t *testing.T, s *Scenario) {
	t.Helper()
	text := s.String()
	other, err := Parse(s.Name+".scenario", text)
	if err != nil {
		t.Fatalf("what the language wrote is not in the language: %v\n%s", err, text)
	}
	if diff := cmp.Diff(s, other, withoutPositions); diff != "" {
		t.Fatalf("another scenario came back: %s\n%s", diff, text)
	}
}

// Every scenario of the repository is in the language, and is the same when it is written again.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../../scenarios/*.scenario")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(file, string(text))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if s.Title == "" {
			t.Errorf("%s has no title", file)
		}
		again(t, s)
	}
}

// Every form can be written, and every error has a position in the file.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../../scenarios/*.scenario")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "testdata/parse.txt") {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("length 1s\nexpect a a fails\nat 0s kill d1 as a a")
	f.Add("length 1s\nconfig x\n \t y\n\n  z\nexpect no holder < 0s\r\n")
	f.Add("at 1s reload d1 servers")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("pair.scenario", text)
		if err == nil {
			again(t, s)
			return
		}
		list, ok := err.(interface{ Unwrap() []error })
		if !ok {
			t.Fatalf("%v: not a list of errors", err)
		}
		for _, err := range list.Unwrap() {
			var e *Error
			if !errors.As(err, &e) || e.Position.Line < 1 || e.Position.Column < 1 || e.Message == "" {
				t.Errorf("%v has no position", err)
			}
		}
	})
}
