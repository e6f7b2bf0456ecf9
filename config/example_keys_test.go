package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestExampleKeys holds that examples/checks.toml shows every setting of a check, and
// examples/vrrp.toml every one of a virtual router, examples/peers.toml those of the channel
// between directors, and that they say something about it.
func TestExampleKeys(t *testing.T) {
	for file, shapes := range map[string][]reflect.Type{
		"../examples/checks.toml": {reflect.TypeFor[rawCheck](), reflect.TypeFor[rawTLS](), reflect.TypeFor[rawRequest](), reflect.TypeFor[rawDamping]()},
		"../examples/vrrp.toml": {reflect.TypeFor[rawVRRP](), reflect.TypeFor[rawAddress](), reflect.TypeFor[rawUnicast](), reflect.TypeFor[rawAuth](),
			reflect.TypeFor[rawAuthKey](), reflect.TypeFor[rawAnnounce](), reflect.TypeFor[rawNotify](), reflect.TypeFor[rawTrack](),
			reflect.TypeFor[rawRoute](), reflect.TypeFor[rawRule](), reflect.TypeFor[rawGroup](), reflect.TypeFor[rawScripts]()},
		"../examples/peers.toml": {reflect.TypeFor[rawPeers]()},
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, shape := range shapes {
			for i := range shape.NumField() {
				key, _, _ := strings.Cut(shape.Field(i).Tag.Get("toml"), " ")
				if key == "" {
					continue
				}
				shown := regexp.MustCompile(`(?m)^(# )?` + key + ` = .*#|^` + key + ` = \[$|[{,] ` + key + ` = |^(# )?\[\[?(defaults\.)?(service\.check|vrrp)\.` + key + `\]`)
				if !shown.Match(text) {
					t.Errorf("%s: key %s of %s is not shown", file, key, shape)
				}
			}
		}
	}
}
