// Package integration holds what concerns all packages at once: the lab (see integration/lab), and the test of the
// architecture.
package integration
