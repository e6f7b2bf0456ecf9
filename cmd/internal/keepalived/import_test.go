package keepalived

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lbha/lbha/config"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew; read the difference before committing it")

// parsed is a Loader without files.
func parsed(text []byte) error {
	_, err := config.Parse("lbha.toml", text)
	return err
}

// nearby reads what is included from testdata.
func nearby(_, pattern string) ([]File, error) {
	text, err := os.ReadFile(filepath.Join("testdata", filepath.Base(pattern)))
	if err != nil {
		return nil, nil
	}
	return []File{{pattern, string(text)}}, nil
}

// TestImport: configurations in keepalived's language, and what becomes of them.
func TestImport(t *testing.T) {
	for _, name := range []string{"web", "more"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile("testdata/" + name + ".conf")
			if err != nil {
				t.Fatal(err)
			}
			r := Import(File{name + ".conf", string(text)}, nearby, parsed)
			if err := parsed(r.TOML); err != nil {
				t.Errorf("the result does not load:\n%v", err)
			}
			var got strings.Builder
			got.Write(r.TOML)
			got.WriteString("\n# --- notes\n")
			for _, n := range r.Notes {
				fmt.Fprintln(&got, n)
			}
			golden := "testdata/" + name + ".golden"
			if *rewrite {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s (-want +got)\n%s", golden, diff)
			}
		})
	}
}

// loads holds that a result loads, unless nothing is left of it, and that it is not for having nothing in it.
func loads(t interface{ Errorf(string, ...any) }, text string) {
	r := Import(File{"k.conf", text}, nearby, parsed)
	if err := parsed(r.TOML); err != nil && !onlyComments(r.TOML) {
		t.Errorf("%v\nof\n%s\nfrom\n%s", err, r.TOML, text)
	}
	for _, n := range r.Notes {
		if strings.HasPrefix(n.Text, "nothing of it loads") {
			t.Errorf("%v\nfrom\n%s", n, text)
		}
	}
}

// onlyComments reports whether nothing is left of a configuration: that does not load.
func onlyComments(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return false
		}
	}
	return true
}

// TestMixtures: lines of the corpus left out, doubled, and cut short: the result loads.
func TestMixtures(t *testing.T) {
	var corpus [][]string
	for _, name := range []string{"web.conf", "more.conf"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		corpus = append(corpus, strings.Split(string(text), "\n"))
	}
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SampledFrom(corpus).Draw(t, "file")
		var out []string
		for _, l := range lines {
			switch rapid.IntRange(0, 19).Draw(t, "change") {
			case 0:
				if !strings.ContainsAny(l, "{}") {
					continue
				}
			case 1:
				if !strings.ContainsAny(l, "{}") {
					l += "\n" + l
				}
			case 2:
				if f := strings.Fields(l); len(f) > 0 && !strings.ContainsAny(l, "{}") {
					l = f[0]
				}
			case 3:
				if f := strings.Fields(l); len(f) > 1 && !strings.ContainsAny(l, "{}") {
					f[1] = rapid.SampledFrom([]string{"-1", "0", "256", "70000", "x", "::1", "10.0.0.1", "1e9", `"a\"b"`, "0.001"}).Draw(t, "value")
					l = strings.Join(f, " ")
				}
			}
			out = append(out, l)
		}
		loads(t, strings.Join(out, "\n"))
	})
}

// FuzzImport: whatever the text, the result loads.
func FuzzImport(f *testing.F) {
	for _, name := range []string{"web.conf", "more.conf", "more-included.conf"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, s := range []string{"", "{", "}", "include k.conf", "$A=$A$A\n$A=$A$A\n$A", "vrrp_instance \"\x00\x1b\" { priority }", "virtual_server { real_server { } }", "a \\", "virtual_server_group { : : }", "vrrp_sync_group x { group }",
		"vrrp_instance x { notify a\nnotify b\nauthentication { auth_type PASS\nauth_pass é\xff }\nauthentication { auth_type PASS\nauth_pass x } }"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) { loads(t, text) })
}

// A file in which nothing is set is said to be one: the result would not load.
func TestNothing(t *testing.T) {
	for _, text := range []string{"", "# vrrp_instance web {\n"} {
		r := Import(File{Name: "k.conf", Text: text}, nil, func([]byte) error { return nil })
		if len(r.TOML) != 0 || len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0].String(), "k.conf:1: nothing is configured") {
			t.Errorf("%q: %q, %v", text, r.TOML, r.Notes)
		}
	}
}
