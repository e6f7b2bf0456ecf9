package clab

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/integration/internal/observe"
	"github.com/lbha/lbha/integration/internal/rehearse"
	"github.com/lbha/lbha/integration/internal/script"
)

// What a container cannot do is an error, and everything else is possible.
func TestCan(t *testing.T) {
	p := new(Place)
	for line, want := range map[string]bool{
		"at 1s kill d1 elector":                    true,
		"at 1s pause d2 3s":                        true,
		"at 1s pause d2 elector 3s":                true,
		"at 1s loss 5% observer":                   true,
		"at 1s ipvs down":                          true,
		"at 1s stop rs1":                           true,
		"at 1s reload d1 servers rs3":              true,
		"at 1s reload d1 from fifo":                true,
		"expect d1 tells 10.9.0.100":               true,
		"at 1s kill d1 supervisor":                 false,
		"at 1s disk d1 full":                       false,
		"director d2 keepalived":                   false,
		"at 1s stop d1\nat 2s start d1 keepalived": false,
	} {
		s, err := script.Parse("pair.scenario", "length 9s\n"+line+"\nexpect holder is d1 at end")
		if err != nil {
			t.Fatal(err)
		}
		errs := rehearse.Possible(p, s)
		if (len(errs) == 0) != want {
			t.Errorf("%s: %v", line, errs)
		}
	}
}

// What a scenario changes is in the configuration of the example, which stays one.
func TestText(t *testing.T) {
	p := new(Place)
	for i, name := range []string{"d1", "d2"} {
		text, err := os.ReadFile(filepath.Join("../../../examples/containerlab", name, "lbha.toml"))
		if err != nil {
			t.Fatal(err)
		}
		p.original[i] = string(text)
		got := p.text(i, settings{priority: 77, interval: 250 * time.Millisecond, servers: []string{"rs2", "rs3"}})
		if !strings.Contains(got, "\npriority = 77\ninterval = \"250ms\"\n") || strings.Count(got, "priority = ") != 1 {
			t.Errorf("%s", got)
		}
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		var servers []string
		for _, s := range c.Services[0].Servers {
			servers = append(servers, s.Address.String())
		}
		if want := []string{"10.9.0.4:80", "10.9.0.5:80"}; !slices.Equal(servers, want) {
			t.Errorf("%s has servers %v, want %v", name, servers, want)
		}
	}
}

// A table at rest is what the settings say; what was appended to a configuration may add to it.
func TestMissing(t *testing.T) {
	s := settings{servers: []string{"rs1"}}
	whole := observe.Table{"-A -t 10.9.0.100:80 -s rr", "-a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1"}
	if diff := s.missing(whole); len(diff) > 0 {
		t.Errorf("a whole table misses %v", diff)
	}
	more := append(slices.Clone(whole), "-a -t 10.9.0.100:80 -r 10.9.0.5:80 -g -w 0")
	if diff := s.missing(more); len(diff) != 1 {
		t.Errorf("a server that drains: %v", diff)
	}
	s.append = "[[service]]"
	if diff := s.missing(more); len(diff) > 0 {
		t.Errorf("what an appended snippet adds: %v", diff)
	}
	if diff := s.missing(whole[:1]); len(diff) != 1 {
		t.Errorf("without its server: %v", diff)
	}
}

// Docker keeps what a container says in lines of JSON; a window may cut the last one.
func TestLogged(t *testing.T) {
	got := logged([]byte(`{"log":"level=INFO msg=\"a\"\n","stream":"stderr","time":"2026-01-01T00:00:00Z"}
{"log":"two\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}
{"log":"cut`))
	if want := "level=INFO msg=\"a\"\ntwo\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
