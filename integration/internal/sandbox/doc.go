// Package sandbox gives a job of the lab a world of its own: a kernel with IPVS, network namespaces, and a file tree that
// it may write without touching the host's.
//
// Two worlds exist, and the job cannot tell them apart.
//
//   - Where the running kernel has IPVS and namespaces may be made, the job runs in new mount, PID, network, UTS and IPC
//     namespaces of that kernel.
//   - Elsewhere a user-mode kernel (Debian and Ubuntu package user-mode-linux) boots over the host's own file tree in
//     about two seconds. The tree is mounted read-only with an overlay in memory above it; only the work directory is
//     shared with the host.
//
// Everything is compiled outside and run inside. The host's side writes the job into the work directory and starts the
// world with this same program as its first process ([IsInit], [Init]): it mounts what a program expects, loads
// modules, runs the job as a child, reaps orphans, and ends the world. Progress comes back line by line on the console, the
// result as JSON in the work directory.
//
// A world has a deadline. When it passes, or the caller gives up, the host's side kills the whole world: a PID namespace
// in one case, the process group of the user-mode kernel in the other.
package sandbox
