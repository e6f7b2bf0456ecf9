//go:build linux

// Command lab runs lbha on the real kernel: `go run ./integration/lab drill`, `test`, `bench`, `shell`.
//
// Each command does its own set-up and says what it does. Nothing it does touches the host's own network: it works in namespaces of the
// running kernel where that has IPVS, and in a user-mode kernel elsewhere.
//
// An interrupt, a closed terminal or the end of its `go run` ends a command with everything that it has started, and takes back what was done to
// a real pair. What one has left that was killed is a directory, which the next removes.
package main
