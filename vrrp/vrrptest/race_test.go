//go:build race

package vrrptest

// schedules is how many random ones of each kind a test plays: fewer than without
// the race detector, which has nothing to find in code of one goroutine and makes
// each eight times as long.
const schedules = 1_000
