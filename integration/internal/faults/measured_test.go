package faults

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What was measured of keepalived can be read, and is on the page.
func TestKeepalived(t *testing.T) {
	list, err := Keepalived()
	if err != nil || len(list) == 0 {
		t.Fatalf("%d measurements, %v", len(list), err)
	}
	var b strings.Builder
	if err := Page(&b, Outcomes{}, "today."); err != nil {
		t.Fatal(err)
	}
	for proof, m := range list {
		if m.On == "" || m.Demands < len(m.Unmet) {
			t.Errorf("%s: %+v", proof, m)
		}
	}
	for _, want := range []string{"drill kill-all: meets 2 of 5 demands; not “the dead director's VIP is gone before d2 has it” (d1 kept the VIP)", "| own-1 | "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestMeasurementInACell(t *testing.T) {
	for want, m := range map[string]Measurement{
		"meets all 3 demands": {Demands: 3},
		"meets 1 of 4 demands; not “a” (one / two), nor “b”, nor 1 more": {Demands: 4, Unmet: []Unmet{{"a", "one | two"}, {Demand: "b"}, {"c", "three"}}},
	} {
		if got := m.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Measurements of one day stay when those of another are added.
func TestNote(t *testing.T) {
	path := filepath.Join(t.TempDir(), "measured.json")
	for _, add := range []map[string]Measurement{{"drill a": {On: "one", Demands: 1}, "drill b": {On: "one"}}, {"drill b": {On: "two"}}} {
		if err := Note(path, add); err != nil {
			t.Fatal(err)
		}
	}
	got, err := read(path)
	want := map[string]Measurement{"drill a": {On: "one", Demands: 1}, "drill b": {On: "two"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}
