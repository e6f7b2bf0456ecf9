//go:build linux

package main

import (
	"strings"
	"testing"
)

// What cannot be played is told at once, before anything is compiled or a world made, and no flag is passed over in silence.
func TestDrillRefusals(t *testing.T) {
	for args, want := range map[string]string{
		"drill kill-all":                      "the built-in scenario of that name is played by --only kill-all",
		"drill --only nonsense":               `no scenario is called "nonsense"; there are kill-all, `,
		"drill --only stop some.scenario":     "--only picks from the built-in drill",
		"drill --director nonsense":           `no such daemon: "nonsense"`,
		"drill --peer frr":                    "the built-in drill is not for frr",
		"drill --junit out.xml":               "--junit are for scenario files",
		"drill missing.scenario":              "open missing.scenario: no such file",
		"drill --in nowhere kill-all.unknown": "open kill-all.unknown: no such file",
	} {
		cmd := root()
		cmd.SetArgs(strings.Fields(args))
		if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("lab %s: %v, want %s", args, err, want)
		}
	}
}
