// Command lbha is a load-balancer director with high availability: VRRP, health checks and the kernel's IPVS.
//
// `lbha run` is the daemon, three processes of this one binary: a supervisor, the elector, which does nothing but VRRP and the
// addresses, and the director, which does all the rest (see packages supervisor, elector and director in cmd/internal). Every other
// command is a client: of the daemon by its socket (package admin), of the kernel (`ipvs`, `realserver`), or of nothing but files
// (`check`, `import`). It has the file of its name, `plan` and `failover` that of `reload`.
//
// Exit status: 0 done; 1 error, or a configuration that was refused; 2 `lbha plan` found changes, `lbha doctor` something wrong, or
// `lbha import` what has no equivalent.
package main
