package director

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
)

// TestRecordText: the text is the one that package json makes of a record, with a configuration and without.
func TestRecordText(t *testing.T) {
	full := saved{Boot: "b<oot>", Owned: []ipvs.Key{ipvs.MarkKey(7, ipvs.IPv4)}, Verdicts: map[string]healthcheck.Saved{"www/a/tcp": {Verdict: healthcheck.Up}}}
	for name, r := range map[string]record{
		"nothing":            {},
		"only what is saved": {saved: full},
		"both":               {saved: full, Config: json.RawMessage(`{"hash":"1","services":[{"name":"w"}]}`)},
		"a configuration":    {Config: json.RawMessage(`{}`)},
	} {
		want, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := recordText(r.saved, r.Config)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}
