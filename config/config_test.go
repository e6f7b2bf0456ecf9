package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
)

// render writes diagnostics with their paths.
func render(ds config.Diagnostics) string {
	var b strings.Builder
	for _, d := range ds {
		fmt.Fprintln(&b, d)
		if d.Path != "" {
			fmt.Fprintf(&b, "\tat %s\n", d.Path)
		}
	}
	return b.String()
}

// TestBad loads files with one fault each, and one with many.
func TestBad(t *testing.T) {
	files, _ := filepath.Glob("testdata/bad/*.toml")
	if len(files) < 40 {
		t.Fatalf("%d files in testdata/bad", len(files))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".toml")
		t.Run(name, func(t *testing.T) {
			c, err := config.Load(file)
			ds, ok := errors.AsType[config.Diagnostics](err)
			if c != nil || !ok {
				t.Fatalf("Load = %v, %v; want Diagnostics", c, err)
			}
			if len(ds) != 1 && name != "many" {
				t.Errorf("%d findings, want the one that the file is about:\n%v", len(ds), err)
			}
			config.Golden(t, strings.TrimSuffix(file, ".toml")+".golden", render(ds))
		})
	}
}

// TestWarnings loads files that are legal but probably not meant.
func TestWarnings(t *testing.T) {
	files, _ := filepath.Glob("testdata/warn/*.toml")
	if len(files) == 0 {
		t.Fatal("no files in testdata/warn")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".toml"), func(t *testing.T) {
			c, err := config.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			config.Golden(t, strings.TrimSuffix(file, ".toml")+".golden", render(c.Warnings))
		})
	}
}

// TestSurface loads the reference of all names and shapes, and says which of them this
// version cannot run.
func TestSurface(t *testing.T) {
	c := load(t, "testdata/surface.toml")
	for _, w := range c.Warnings { // its programs need not be there to load it
		if !strings.HasSuffix(w.Message, " is not there yet") {
			t.Error(w)
		}
	}
	config.Golden(t, "testdata/surface.json.golden", indent(t, []any{c.Global, c.Instances, c.Groups, c.Services}))

	const reference = "../../shared/config-surface.toml"
	if text, err := os.ReadFile(reference); err == nil {
		ours, err := os.ReadFile("testdata/surface.toml")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(text), string(ours)); diff != "" {
			t.Errorf("testdata/surface.toml is no longer %s (-reference +ours):\n%s", reference, diff)
		}
	}
}

// TestExamples loads what is shipped as an example: it must run as it stands.
func TestExamples(t *testing.T) {
	files, _ := filepath.Glob("../examples/*.toml")
	pair, _ := filepath.Glob("../examples/containerlab/*/*.toml")
	files = append(files, pair...)
	if len(files) < 6 {
		t.Fatalf("%d files in examples", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c := load(t, file)
			if len(c.Warnings) > 0 {
				t.Errorf("an example must need no warning:\n%s", render(c.Warnings))
			}
		})
	}
}

func TestMinimal(t *testing.T) {
	c, err := config.Parse("minimal", []byte(config.Minimal))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("findings:\n%s", render(c.Warnings))
	}
	if plan := config.Compare(c, load(t, "../examples/minimal.toml")); !plan.Empty() {
		t.Errorf("examples/minimal.toml says something else:\n%s", plan)
	}
}

// TestHash holds that the hash is about the content, not about the text.
func TestHash(t *testing.T) {
	const same = "# a comment\nvrrp = [{ id = 51, interface = 'eth0', name = \"we\\u0062\", version = 3, addresses = [ '10.9.0.100' ] }]\n"
	const text = "[[vrrp]]\nname = \"web\"\ninterface = \"eth0\"\nid = 51\naddresses = [\"10.9.0.100/32\"]\n"
	a, b, c := parse(t, text), parse(t, same), parse(t, text+"priority = 101\n")
	if a.Hash != b.Hash {
		t.Errorf("one content, two hashes:\n%s\n%s", indent(t, a), indent(t, b))
	}
	if a.Hash == c.Hash {
		t.Error("two contents, one hash")
	}
}

// TestInstanceJSON holds that an instance survives the way to the elector.
func TestInstanceJSON(t *testing.T) {
	c := load(t, "testdata/instances.toml")
	text, err := json.Marshal(c.Instances)
	if err != nil {
		t.Fatal(err)
	}
	var back []config.Instance
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c.Instances, back) {
		t.Errorf("changed on the way:\n%s\n%s", text, indent(t, back))
	}
	if back[0].Auth.Key.Reveal() != "secret12" {
		t.Errorf("key = %q", back[0].Auth.Key.Reveal())
	}
}

// TestInherit compares whole configurations, written with and without [defaults].
func TestInherit(t *testing.T) {
	files, _ := filepath.Glob("testdata/inherit/*.toml")
	if len(files) == 0 {
		t.Fatal("no files in testdata/inherit")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c := load(t, file)
			config.Golden(t, strings.TrimSuffix(file, ".toml")+".golden", indent(t, []any{c.Instances, c.Services}))
		})
	}
}

func TestDestination(t *testing.T) {
	key := ipvs.NewKey(ipvs.TCP, netip.MustParseAddrPort("10.9.0.100:443"))
	mark := ipvs.MarkKey(10, ipvs.IPv4)
	for _, c := range []struct {
		forward ipvs.Forward
		key     ipvs.Key
		server  string
		want    string
	}{
		{ipvs.NAT, key, "10.9.0.3:8443", "10.9.0.3:8443"},
		{ipvs.NAT, key, "10.9.0.3:0", "10.9.0.3:443"},
		{ipvs.DR, key, "10.9.0.3:80", "10.9.0.3:443"},
		{ipvs.TUN, key, "10.9.0.3:0", "10.9.0.3:443"},
		{ipvs.NAT, mark, "10.9.0.3:0", "10.9.0.3:0"},
		{ipvs.DR, mark, "10.9.0.3:80", "10.9.0.3:80"},
	} {
		s := config.Service{Forward: c.forward}
		if got := s.Destination(c.key, &config.Server{Address: netip.MustParseAddrPort(c.server)}); got.String() != c.want {
			t.Errorf("%s %s to %s: %s, want %s", c.forward, c.key, c.server, got, c.want)
		}
	}
}

func load(t *testing.T, file string) *config.Config {
	t.Helper()
	c, err := config.Load(file)
	if err != nil {
		t.Fatalf("%s:\n%v", file, err)
	}
	return c
}

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("text", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func indent(t *testing.T, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// FuzzParse holds that no text makes Parse panic, that every finding lies in the text,
// and that a text which loads once loads again as the same.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.toml", "testdata/bad/*.toml", "testdata/inherit/*.toml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil {
				f.Add(text)
			}
		}
	}
	f.Add([]byte(config.Minimal))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := config.Parse("text", text)
		if err != nil {
			ds, ok := errors.AsType[config.Diagnostics](err)
			if !ok || len(ds) == 0 {
				t.Fatalf("%T: %v", err, err)
			}
			lines := bytes.Count(text, []byte("\n")) + 1
			for _, d := range ds {
				if d.Line < 1 || d.Line > lines || d.Column < 1 {
					t.Errorf("%d lines, and a finding at %s", lines, d)
				}
			}
			return
		}
		again, err := config.Parse("text", text)
		if err != nil || again.Hash != c.Hash || !config.Compare(c, again).Empty() {
			t.Errorf("loaded again: %v, %s", err, config.Compare(c, again))
		}
	})
}
