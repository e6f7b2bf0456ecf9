package config

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/BurntSushi/toml"
)

// What people write is plain, and what only the parser proper can judge is not.
func TestPlain(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                     true,
		"a = 1 # x\n\n[b]\n[[c.d]]\n[c.d.e]":   true,
		"a = [1, \"b\", [true],\n # x\n 'c',]": true,
		"a = { b = -1.5, c = [ {} ] }":         true,
		`a = "\"\\\n"`:                         true,
		"a = 'ü' # ß":                          true,
		"[[a.b]]\n[a]\nc = 1":                  true,
		"a.b = 1":                              false,
		"\"a\" = 1":                            false,
		`a = "\u0061"`:                         false,
		"a = 1979-05-27":                       false,
		"a = 1_000":                            false,
		"a = 007":                              false,
		"a = \"\"\"x\"\"\"":                    false,
		"a = 1 b = 2":                          false,
		"a = 1\na = 2":                         false,
		"[a]\n[a]":                             false,
		"[a]\n[[a]]":                           false,
		"a = {}\n[a.b]":                        false,
		"a = []\n[[a]]":                        false,
		"a = 1\n[a.b]":                         false,
		"a = { b = 1, }":                       false,
		"a = {\nb = 1 }":                       false,
		"a = 1\r\n":                            false,
		"a = 1 # \x01":                         false,
		"a = \"\xff\"":                         false,
		"a =":                                  false,
	} {
		if _, plain, _ := scan("f", []byte(text)); plain != want {
			t.Errorf("%q: plain is %v", text, plain)
		}
	}
}

// Every configuration of the examples is plain.
func TestExamplesArePlain(t *testing.T) {
	files, err := filepath.Glob("../examples/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, plain, _ := scan(file, text); !plain {
			t.Errorf("%s is odd", file)
		}
	}
}

// FuzzPlain holds that what is read of plain text is what the parser proper reads.
func FuzzPlain(f *testing.F) {
	for _, pattern := range []string{"testdata/*.toml", "testdata/bad/*.toml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil {
				f.Add(string(text))
			}
		}
	}
	for _, text := range []string{
		"[a]\n[a.b]\n[[a.c]]\n[a.c.d]\nx=1\n[[a.c]]\n[a.c.d]", "a = -0\nb = -0.0\nc=0.10\nd=false", "[ a . b ]\nc\t=\t[ ]# x", "a=[[{b=1},{}],'']", "[[a]]\nb=[{c=[{}]}]\n[[a.d]]",
		"[[a.b]]\n[a]\n[a.c]\n[a.b.d]",
		`a = "\"b\\\n\r\t\""`, `a = ["", '', "\\"]`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = string(trimMark([]byte(text)))
		n, plain, _ := scan("f", []byte(text))
		if !plain {
			return
		}
		var values map[string]any
		if _, err := toml.Decode(text, &values); err != nil {
			t.Fatalf("plain, and the parser says: %v: %q", err, text)
		}
		if at := unplaced(n, values); at != "" {
			t.Fatalf("another structure at %s in %q", at, text)
		}
		if at := unequal(n, values); at != "" {
			t.Fatalf("another value of %s in %q", at, text)
		}
	})
}

// unequal returns the path of a node that has another value, in a tree of the same structure.
func unequal(n *node, value any) string {
	var items []any
	switch v := value.(type) {
	case map[string]any:
		for _, m := range n.members {
			if at := unequal(m, v[m.name]); at != "" {
				return at
			}
		}
	case []map[string]any:
		for _, item := range v {
			items = append(items, item)
		}
	case []any:
		items = v
	default:
		have := n.data
		if s, ok := n.str(); ok {
			have = s
		}
		if fmt.Sprintf("%T %v", have, have) != fmt.Sprintf("%T %v", v, v) {
			return n.path()
		}
	}
	for i, item := range items {
		if at := unequal(n.members[i], item); at != "" {
			return at
		}
	}
	return ""
}
