package faults

import (
	"fmt"
	"io"
	"strings"
)

// Outcomes says of each proof whether it passed. A proof that is not in it was not run.
type Outcomes map[string]bool

// of looks a proof up: of "go PACKAGE TEST CASE" by package and test, of others as it stands.
func (o Outcomes) of(proof string) (passed, run bool) {
	passed, run = o[key(proof)]
	return passed, run
}

// key is a proof without what only tells a reader where to look in it.
func key(proof string) string {
	fields := strings.Fields(proof)
	if fields[0] == "go" && len(fields) > 3 {
		return strings.Join(fields[:3], " ")
	}
	return proof
}

// verdict sums a row up.
func (r *Row) verdict(o Outcomes) string {
	if len(r.Held) == 0 {
		return "not held"
	}
	var failed, missing []string
	for _, proof := range r.Held {
		switch passed, run := o.of(proof); {
		case !run:
			missing = append(missing, proof)
		case !passed:
			failed = append(failed, proof)
		}
	}
	switch {
	case len(failed) > 0:
		return "**fails**: " + strings.Join(failed, ", ")
	case len(missing) == len(r.Held):
		return "not run"
	}
	return "holds"
}

// Page writes the list with the outcomes of a run, as Markdown. about says which run that was.
func Page(out io.Writer, o Outcomes, about string) error {
	var b strings.Builder
	b.WriteString(`# What a director must survive

Made by ` + "`go run ./integration/lab test --faults integration/FAULTS.md`" + `, not by hand. ` + about + `

Each fault has what holds it: a test of Go ("go", with its package, and the transcript or case to read), or a part of the
lab's own ("drill", "interop", "lvs", "systemd", "containerlab"). A is the master, B its backup. The last column
is what keepalived 2.2.7 was measured to do; it is empty where it was not tried or has no such thing.

| # | fault | expected | held by | result | keepalived 2.2.7 |
|---|---|---|---|---|---|
`)
	for i := range Rows {
		r := &Rows[i]
		held := r.Why
		if len(r.Held) > 0 {
			held = strings.Join(r.Held, "<br>")
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | %s |\n", r.Number, r.Fault, r.Expected, held, r.verdict(o), r.Keepalived)
	}
	_, err := io.WriteString(out, b.String())
	return err
}
