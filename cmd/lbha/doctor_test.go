package main

import "testing"

// TestDoctorKernel: on the real kernel doctor finds what its defaults are wrong for, and its fixes, carried out as they
// stand, leave nothing to find.
func TestDoctorKernel(t *testing.T) {
	h := newIPVSHost(t)
	out, err := h.bash(t, `
ip link add eth0 type dummy
ip link set eth0 up
ip addr add 10.9.0.1/24 dev eth0
ip route add default via 10.9.0.254
cat >lbha.toml <<.
[global.ipvs]
sync = { interface = "eth0", id = 1 }
[[vrrp]]
name = "web"
interface = "eth0"
id = 51
addresses = ["10.9.0.100/32"]
[[service]]
name = "www"
address = "10.9.0.100:80"
scheduler = "rr"
persistence = { timeout = "5m" }
[[service.server]]
address = "10.9.0.3:80"
.
sysctl -qw net.ipv4.ip_forward=0 net.ipv4.vs.expire_nodest_conn=0 net.ipv4.vs.expire_quiescent_template=0 \
	net.ipv4.vs.sloppy_tcp=0 net.ipv4.vs.backup_only=1 net.ipv4.conf.all.send_redirects=1 net.ipv4.vs.sync_threshold="10 50"
lbha doctor -c lbha.toml >before || test $? = 2
for finding in 'wrong *nat *no-forwarding' 'wrong *sync *backup-only' 'advice *ipvs *expire-nodest' 'advice *ipvs *expire-quiescent' \
	'advice *nat *send-redirects' 'advice *sync *sloppy-tcp' 'advice *sync *sync-threshold' 'ok *ipvs *no-ipvs' 'ok *web *no-interface'; do
	grep -q "^$finding" before || { echo "not found: $finding"; cat before; exit 1; }
done
sed -n 's/^ *fix: \(sysctl .*\)/\1/p' before | bash -e >/dev/null
lbha doctor -c lbha.toml >after
if grep '^wrong\|^advice\|^note' after; then exit 1; fi
# In DR a director that is its own server loops.
sed -i 's/address = "10.9.0.3:80"/address = "10.9.0.1:80"/; s/^scheduler.*/&\nforward = "dr"/' lbha.toml
lbha doctor -c lbha.toml >loop || test $? = 2
grep -q '^wrong *www *own-server' loop || { echo "the loop is not found"; cat loop; exit 1; }
`)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
