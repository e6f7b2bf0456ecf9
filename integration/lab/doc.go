//go:build linux

// Command lab runs lbha on the real kernel: `go run ./integration/lab drill`, `test`, `bench`, `shell`.
//
// Each command does its own set-up and says what it does. Nothing it does touches the host's own network: it works in namespaces of the
// running kernel where that has IPVS, and in a user-mode kernel elsewhere.
package main
