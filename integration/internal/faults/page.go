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
lab's own ("drill", "scenarios", "interop", "lvs", "systemd", "containerlab"). A is the master, B its backup.

The last column is a pair of keepalived 2.2.7. Where it names a drill or a scenario, the pair was put through that one, and
judged by the same demands. What comes before was measured in another way, or is of the source that it names. It is empty
where keepalived was not tried: it has no such thing, or the proof is a test of a part of lbha.

`)
	measured, err := Keepalived()
	if err != nil {
		return err
	}
	table(&b, Rows, "", o, measured)
	b.WriteString("\n## Of our own invention\n\nWhat somebody on call would fear. Each is a scenario of integration/scenarios.\n\n")
	table(&b, Own, "own-", o, measured)
	_, err = io.WriteString(out, b.String())
	return err
}

// table writes rows whose numbers begin with prefix.
func table(b *strings.Builder, rows []Row, prefix string, o Outcomes, measured map[string]Measurement) {
	b.WriteString("| # | fault | expected | held by | result | keepalived 2.2.7 |\n|---|---|---|---|---|---|\n")
	for i := range rows {
		r := &rows[i]
		held := r.Why
		if len(r.Held) > 0 {
			held = strings.Join(r.Held, "<br>")
		}
		fmt.Fprintf(b, "| %s%d | %s | %s | %s | %s | %s |\n", prefix, r.Number, r.Fault, r.Expected, held, r.verdict(o), r.keepalived(measured))
	}
}

// keepalived is what is known of it.
func (r *Row) keepalived(measured map[string]Measurement) string {
	var parts []string
	if r.Keepalived != "" {
		parts = append(parts, r.Keepalived)
	}
	for _, proof := range r.Held {
		if m, ok := measured[key(proof)]; ok {
			parts = append(parts, fmt.Sprintf("%s, %s: %v", m.On, proof, m))
		}
	}
	return strings.Join(parts, "<br>")
}
