// Package admin is the daemon's API, HTTP with JSON over a unix socket, and its client, which the command line
// speaks.
//
//	GET  /v1/status             the snapshot: instances, services, servers, table, last reload
//	GET  /v1/events?since=&limit=   the journal
//	POST /v1/plan               what a reload of {path} would do
//	POST /v1/reload             {path, expect, confirm}: plan, apply, verify; with confirm on trial
//	POST /v1/confirm            {revert}: keep the configuration on trial, or go back at once
//	POST /v1/server             {service, server, action, weight, for, reason}: drain, disable, enable, weight
//	POST /v1/failover           {instance, lift}: hand over now, or take part again
//
// The socket has mode 0660. Whoever may connect may read; acting takes the daemon's own user or root, as the kernel
// names the peer (SO_PEERCRED). A read never asks a loop: it serves the last snapshot, so that a stuck reader delays
// nobody.
package admin
