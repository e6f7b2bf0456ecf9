package config

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// TestPlaces lists every key of a text that is as awkward as TOML allows, with its place
// and that of its value.
func TestPlaces(t *testing.T) {
	file := "testdata/places.toml"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	l := &loader{}
	n := l.parse(file, text)
	if n == nil {
		t.Fatal(l.found)
	}
	var got strings.Builder
	listing(&got, n)
	Golden(t, "testdata/places.golden", got.String())
}

// listing writes the tree of nodes in the order of the text.
func listing(b *strings.Builder, n *node) {
	members := slices.Clone(n.members)
	slices.SortFunc(members, func(a, b *node) int {
		return cmp.Or(cmp.Compare(a.key.line, b.key.line), cmp.Compare(a.key.column, b.key.column), strings.Compare(a.path(), b.path()))
	})
	for _, m := range members {
		fmt.Fprintf(b, "%-24s key %d:%d value %d:%d\n", m.path(), m.key.line, m.key.column, m.value.line, m.value.column)
		listing(b, m)
	}
}

// TestFallback holds that a value without a place of its own has its parent's.
func TestFallback(t *testing.T) {
	root := &node{name: "f"}
	s := root.child("service", place(3, 1)).grow(place(3, 1))
	s.value = place(3, 1)
	root.attach(map[string]any{"service": []map[string]any{{"name": "www", "server": []any{map[string]any{"weight": int64(1)}}}}})
	w := s.member("server").members[0].member("weight")
	if w.path() != "service[0].server[0].weight" || w.value != s.value || w.data != int64(1) {
		t.Errorf("%s at %v: %v", w.path(), w.value, w.data)
	}
}

func TestLimits(t *testing.T) {
	for name, text := range map[string]string{
		"arrays":        "x = " + strings.Repeat("[", 1000),
		"inline tables": "x = " + strings.Repeat("{a=", 1000),
		"key parts":     strings.Repeat("a.", 1000) + "b = 1",
		"header parts":  "[" + strings.Repeat("a.", 1000) + "b]",
		"key length":    strings.Repeat("a", 1000) + " = 1",
		"quoted key":    `"` + strings.Repeat("a", 1000) + `" = 1`,
		"width":         manyKeys("\n"),
		"inline width":  "x = {" + manyKeys(", ") + "}",
	} {
		if _, _, excess := scan("f", []byte(text)); excess == nil {
			t.Errorf("%s: no limit", name)
		}
	}
}

func manyKeys(separator string) string {
	var keys []string
	for i := range 1000 {
		keys = append(keys, fmt.Sprintf("k%d = 1", i))
	}
	return strings.Join(keys, separator)
}

func TestNearest(t *testing.T) {
	known := []string{"interval", "id", "priority", "preempt", "preempt_delay", "weight"}
	for name, want := range map[string]string{
		"intervall":     "interval",
		"INTERVAL":      "interval",
		"wieght":        "weight",
		"premept":       "preempt",
		"preempt-delay": "preempt_delay",
		"prio":          "",
		"xd":            "id",
		"x":             "",
		"colour":        "",
		"":              "",
	} {
		if got := nearest(name, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

// FuzzPlaces holds that scan gives a place to every value of every text that is TOML: it
// must read structure exactly as the parser does.
func FuzzPlaces(f *testing.F) {
	for _, pattern := range []string{"testdata/*.toml", "testdata/bad/*.toml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil {
				f.Add(string(text))
			}
		}
	}
	for _, text := range []string{
		"a = '''\n''''''\nb = 1", `a = """x\""""` + "\nb = 1", "a = \"\"\"\\\n  x\"\"\"\"\"\n[b]", "a = [ 1, # ]\n 2 ]\nb = {c.d = 1, e = [{}]}",
		"\"a\\u0062\" . 'c.d' = 1979-05-27 07:32:00 # x", "[[a.b]]\n[a.b.c]\n[[a.b]]\n[a]\nd=1", "a = {\n b = 1, # c\n}\n", "a=+inf\nb=nan\r\nc=-0x1\n", "\xef\xbb\xbfa=1",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = string(trimMark([]byte(text)))
		n, _, excess := scan("f", []byte(text))
		if excess != nil {
			return
		}
		var values map[string]any
		if _, err := toml.Decode(text, &values); err != nil {
			return
		}
		if at := unplaced(n, values); at != "" {
			t.Errorf("no place for %s in %q", at, text)
		}
	})
}

// unplaced returns the path of a value that has no node of its kind, or the reverse.
func unplaced(n *node, value any) string {
	var items []any
	switch v := value.(type) {
	case map[string]any:
		if n.kind != table || len(n.members) != len(v) {
			return n.path() + " (table)"
		}
		for name, member := range v {
			m := n.member(name)
			if m == nil {
				return n.path() + "." + name
			}
			if at := unplaced(m, member); at != "" {
				return at
			}
		}
		return ""
	case []map[string]any:
		for _, item := range v {
			items = append(items, item)
		}
	case []any:
		items = v
	default:
		if n.kind != scalar {
			return n.path() + " (scalar)"
		}
		return ""
	}
	if n.kind != array || len(n.members) != len(items) {
		return n.path() + " (array)"
	}
	for i, item := range items {
		if at := unplaced(n.members[i], item); at != "" {
			return at
		}
	}
	return ""
}
