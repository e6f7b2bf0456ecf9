package clab

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/integration/internal/script"
)

// What the topology has not is an error, and everything else is possible.
func TestCan(t *testing.T) {
	p := new(Place)
	for line, want := range map[string]bool{
		"at 1s kill d1 elector":                    true,
		"at 1s pause d2 3s":                        true,
		"at 1s cut d1 rs1 one-way":                 true,
		"at 1s loss 5%":                            true,
		"at 1s flood 100 1s":                       true,
		"at 1s pause d2 elector 3s":                false,
		"at 1s disk d1 full":                       false,
		"at 1s add vip d2 prefix 24":               false,
		"at 1s ipvs down":                          false,
		"expect processes d1 unchanged":            false,
		"at 1s stop rs1":                           false,
		"at 1s cut d1 rs3":                         false,
		"at 1s reload d1 servers rs1":              false,
		"at 1s loss 5% observer":                   false,
		"at 1s stop d1\nat 2s start d1 keepalived": false,
		"at 1s stop d1\nat 2s start d1 frr":        false,
		"expect table d1 with rs3 within 1s":       false,
		"expect table d1 with rs2 within 1s":       true,
	} {
		s, err := script.Parse("pair.scenario", "length 9s\n"+line+"\nexpect holder is d1 at end")
		if err != nil {
			t.Fatal(err)
		}
		ok := true
		for _, step := range s.Steps {
			ok = ok && p.Can(step.Clause) == nil
			if err := p.Can(step.Clause); err != nil && !errors.Is(err, ErrNotHere) {
				t.Errorf("%s: %v", line, err)
			}
		}
		for _, d := range s.Demands {
			ok = ok && p.Can(d) == nil
		}
		if ok != want {
			t.Errorf("%s: %v, want %v", line, ok, want)
		}
	}
}

// A scenario's priority and interval are in the configuration of the example, which stays one.
func TestText(t *testing.T) {
	s, err := script.Parse("pair.scenario", "interval 250ms\nlength 9s\nexpect holder is d1 at end")
	if err != nil {
		t.Fatal(err)
	}
	p := &Place{scenario: s}
	for i, name := range []string{"d1.toml", "d2.toml"} {
		text, err := os.ReadFile(filepath.Join("../../../examples/containerlab", name))
		if err != nil {
			t.Fatal(err)
		}
		p.original[i] = string(text)
		got := p.text(i, 77)
		if !strings.Contains(got, "\npriority = 77\ninterval = \"250ms\"\n") || strings.Count(got, "priority = ") != 1 {
			t.Errorf("%s", got)
		}
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(file); err != nil {
			t.Errorf("%v", err)
		}
	}
}
