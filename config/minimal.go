package config

// Minimal is the smallest useful configuration: one virtual IP and one service on two
// real servers. Its peer differs in priority only.
const Minimal = `
[[vrrp]]
name = "web"
interface = "eth0"
id = 51
priority = 150
addresses = ["10.9.0.100/32"]

[[service]]
name = "www"
address = "10.9.0.100:80"
forward = "dr"

[service.check]
type = "http"

[[service.server]]
address = "10.9.0.3:80"

[[service.server]]
address = "10.9.0.4:80"
`
