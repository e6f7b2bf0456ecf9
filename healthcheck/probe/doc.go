// Package probe holds the probers of this program, one kind a file.
package probe
