// Package deb makes the Debian package: the static binary, its units, manual pages, shell completions, examples, and a
// configuration that holds no address and no service, so that installing it changes nothing.
//
// The package starts nothing when it is installed. When it is upgraded, a daemon that runs is restarted, which is no
// failover: the unit's RestartKillSignal makes it leave its roles to its successor.
package deb
