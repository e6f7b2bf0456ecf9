// Package faults is the list of what a director must survive, with what holds each of it: tests, transcripts,
// scenarios. From the list and the outcomes of a run of all tests it makes the page integration/FAULTS.md.
package faults
