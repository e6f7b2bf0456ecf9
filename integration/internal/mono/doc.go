// Package mono is the lab's clock: CLOCK_MONOTONIC of the kernel that everything in the lab runs on.
//
// Clients, observers and the drill itself are processes of their own. The monotonic clock is the one clock that they
// share and that nobody can step, so every record carries it and records of different processes compare directly.
package mono
