package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestExampleKeys holds that examples/checks.toml shows every setting of a check, and
// says something about it.
func TestExampleKeys(t *testing.T) {
	text, err := os.ReadFile("../examples/checks.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, shape := range []reflect.Type{reflect.TypeFor[rawCheck](), reflect.TypeFor[rawTLS](), reflect.TypeFor[rawRequest](), reflect.TypeFor[rawDamping]()} {
		for i := range shape.NumField() {
			key, _, _ := strings.Cut(shape.Field(i).Tag.Get("toml"), " ")
			if key == "" {
				continue
			}
			shown := regexp.MustCompile(`(?m)^(# )?` + key + ` = .*#|[{,] ` + key + ` = |^\[\[?(defaults\.)?service\.check\.` + key + `\]`)
			if !shown.Match(text) {
				t.Errorf("%s: key %s is not shown", shape, key)
			}
		}
	}
}
