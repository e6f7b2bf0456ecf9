package ipvs

import "testing"

// rules parses rule text that a test is sure of.
func rules(t testing.TB, text string) Table {
	t.Helper()
	table, err := ParseRules(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return table
}
