package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity says whether a Diagnostic refuses the configuration.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // the configuration is refused
	Warning Severity = "warning" // legal, but probably not what was meant
)

// Diagnostic is one finding about a configuration, at its place in the file.
type Diagnostic struct {
	File     string   `json:"file"`
	Line     int      `json:"line,omitempty"`   // from 1; 0: the file as a whole
	Column   int      `json:"column,omitempty"` // from 1, in bytes
	Path     string   `json:"path,omitempty"`   // the key: service[2].server[0].address
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"` // what to do about it
	Severity Severity `json:"severity"`
}

// String renders d as compilers do: file:line:column: message (hint).
func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(d.File)
	if d.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", d.Line, d.Column)
	}
	b.WriteString(": ")
	if d.Severity == Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(d.Message)
	if d.Hint != "" {
		fmt.Fprintf(&b, " (%s)", d.Hint)
	}
	return b.String()
}

// Diagnostics are findings in the order of the files they are about. As an error, at
// least one of them has severity Error.
type Diagnostics []Diagnostic

// Error renders one finding a line.
func (ds Diagnostics) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// refuses reports whether any finding is an error.
func (ds Diagnostics) refuses() bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == Error })
}

// sorted returns ds without repetitions, ordered by place: first by the order in which
// the files were read, then by line and column.
func (ds Diagnostics) sorted(files []string) Diagnostics {
	rank := make(map[string]int, len(files))
	for i, f := range files {
		rank[f] = i
	}
	out := slices.Clone(ds)
	slices.SortStableFunc(out, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(rank[a.File], rank[b.File]),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			strings.Compare(a.Message, b.Message),
		)
	})
	return slices.CompactFunc(out, func(a, b Diagnostic) bool {
		a.Path, b.Path = "", "" // one default, inherited by many, is one finding
		return a == b
	})
}
