package config

import (
	"fmt"
)

// maxDiagnostics bounds what one run reports: nobody reads more.
const maxDiagnostics = 500

// report collects findings. Its methods take the node that is at fault.
type report struct {
	found Diagnostics
}

func (r *report) error(n *node, format string, args ...any) {
	r.errorHint(n, "", format, args...)
}

func (r *report) errorHint(n *node, hint, format string, args ...any) {
	r.add(Diagnostic{Message: fmt.Sprintf(format, args...), Hint: hint}, n, n.value)
}

func (r *report) warn(n *node, format string, args ...any) {
	r.add(Diagnostic{Message: fmt.Sprintf(format, args...), Severity: Warning}, n, n.value)
}

// missing reports a key that the table n must have.
func (r *report) missing(n *node, key, hint string) {
	r.add(Diagnostic{Message: fmt.Sprintf("missing key %q", key), Hint: hint}, n, n.key)
}

// add completes d with the place of n and keeps it.
func (r *report) add(d Diagnostic, n *node, at position) {
	if len(r.found) >= maxDiagnostics {
		return
	}
	d.File, d.Line, d.Column, d.Path = n.file(), int(at.line), int(at.column), n.path()
	if d.Severity == "" {
		d.Severity = Error
	}
	r.found = append(r.found, d)
}
