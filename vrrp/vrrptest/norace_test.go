//go:build !race

package vrrptest

// schedules is how many random ones of each kind a test plays.
const schedules = 10_000
