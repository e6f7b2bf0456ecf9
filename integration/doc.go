// Package integration holds what concerns all packages at once: the lab (see integration/lab), the scenarios that are played in it
// (integration/scenarios, in the language of package script), and the test of the architecture.
package integration
