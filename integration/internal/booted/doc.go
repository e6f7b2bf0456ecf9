// Package booted shows how lbha lives under a real systemd: one director is a machine of its own that systemd-nspawn
// boots inside the lab's world, with the Debian package installed in it; its peer is a plain process beside it.
//
// Each [Trial] does something that an operator or a fault does, by systemctl, dpkg or kill, and says what it saw on the
// machine, on the peer, and of the virtual address.
package booted
