//go:build race

package vrrptest

// raceEnabled says that the race detector makes everything slower.
const raceEnabled = true
