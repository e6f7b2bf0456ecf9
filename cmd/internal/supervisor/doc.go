// Package supervisor is the process that systemd sees: it starts the elector and the director, restarts one that
// died, passes signals on and reports readiness. It does nothing else, so that it has no reason to fail.
//
// What it holds for its children outlives them: the socket pair over which they speak (package link) and one memory
// file for each (package keep). A child that dies by any cause is started again at once and adopts what it finds; the
// other one is not told and need not care. Only repeated deaths are answered with a pause.
//
// The elector's memory is in the state directory, if that is on a tmpfs: then it outlives the supervisor too, and a
// daemon that is started within a master-down interval after a crash of all three resumes its roles. A restart on purpose
// uses that: SIGUSR2, which the unit sends for systemctl restart, makes the supervisor leave at once with everything in
// force. A stop removes the file.
//
// The children die with the supervisor (PR_SET_PDEATHSIG): a daemon without its supervisor would be out of systemd's
// sight. Addresses that a killed elector leaves behind go by their lease.
//
// Each child has a socket on which it speaks the vocabulary of sd_notify(3): READY=1, WATCHDOG=1, STATUS=…,
// RELOADING=1. The supervisor passes STATUS and RELOADING on, says READY=1 when both are ready, and pets systemd's
// watchdog while both pet theirs. It waits for no answer, and for no room: a systemd that hangs stops nothing here. A
// child that stops petting is killed and started again, and so is one that says nothing for too long while it starts.
//
// Stop (SIGTERM, SIGINT): the elector first, which hands its addresses over and exits; then the director, which has
// kept the table in force until then. A second signal skips the wait.
package supervisor
