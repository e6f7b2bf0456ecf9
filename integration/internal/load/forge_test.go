package load

import (
	"net"
	"net/netip"
	"testing"

	"github.com/lbha/lbha/vrrp/wire"
)

// Each forgery is refused for what its name says, and for nothing else.
func TestForgeries(t *testing.T) {
	f := Forger{MAC: net.HardwareAddr{2, 0, 0, 0, 0, 0x66}, Source: netip.MustParseAddr("10.9.0.66"), VRID: 51, VIP: netip.MustParseAddr("10.9.0.100")}
	for i, frame := range f.frames() {
		const ethernet, ip = 14, 20
		var ad wire.Advert
		_, got := wire.Decode(&ad, frame[ethernet+ip:], wire.Meta{Src: f.Source, Dst: wire.Group4(), TTL: int(frame[ethernet+8])})
		if string(got) != forgeries[i] {
			t.Errorf("%s is refused as %q", forgeries[i], got)
		}
	}
}
