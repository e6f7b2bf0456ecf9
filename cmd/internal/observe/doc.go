// Package observe is what the daemon says about itself: logs, the journal of causes, Prometheus metrics, and
// readiness to its supervisor. Everything in it reads immutable snapshots or is told; nothing in it may hold up the
// one who tells.
package observe
