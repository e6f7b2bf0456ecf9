package kernel

import (
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	cloudflare "github.com/cloudflare/ipvs"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/ipvs/ipvstest"
)

// TestSecondReader has another library read what this one wrote.
func TestSecondReader(t *testing.T) {
	ns := namespace(t)
	c := open(t, ns)
	ipvstest.Everything(t, func(t *testing.T, want ipvs.Table) {
		if err := c.Apply(t.Context(), ipvs.Diff(want, nil)); err != nil {
			t.Fatal(err)
		}
		var got ipvs.Table
		within(t, ns, func() (err error) {
			got, err = readWithCloudflare()
			return err
		})
		for k, p := range want {
			p.Service.Engine = "" // which it cannot read
			want[k] = p
		}
		if got, want := got.String(), want.String(); got != want {
			t.Errorf("cloudflare/ipvs reads\n%swe wrote\n%s", got, want)
		}
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func readWithCloudflare() (ipvs.Table, error) {
	client, err := cloudflare.New()
	if err != nil {
		return nil, err
	}
	services, err := client.Services()
	if err != nil && !errors.Is(err, os.ErrNotExist) { // its word for none
		return nil, err
	}
	var pools []ipvs.Pool
	for _, s := range services {
		v := ipvs.Service{Scheduler: ipvs.Scheduler(s.Scheduler), OnePacket: s.Flags&cloudflare.ServiceOnePacket != 0}
		v.Flags = ipvs.Flags(s.Flags / cloudflare.ServiceSchedulerOpt1)
		if s.FWMark != 0 {
			v.Key = ipvs.MarkKey(s.FWMark, map[cloudflare.AddressFamily]ipvs.Family{cloudflare.INET: ipvs.IPv4, cloudflare.INET6: ipvs.IPv6}[s.Family])
		} else {
			v.Key = ipvs.NewKey(ipvs.Protocol(s.Protocol), netip.AddrPortFrom(s.Address, s.Port))
		}
		if s.Flags&cloudflare.ServicePersistent != 0 {
			v.Persistence = time.Duration(s.Timeout) * time.Second
			if v.Netmask, err = ipvs.NewNetmask(v.Key.Family(), s.Netmask.Bits()); err != nil {
				return nil, err
			}
		}
		servers, err := client.Destinations(s.Service)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		p := ipvs.Pool{Service: v}
		for _, d := range servers {
			p.Servers = append(p.Servers, ipvs.Server{
				Addr:           netip.AddrPortFrom(d.Address, d.Port),
				Forward:        ipvs.Forward(d.FwdMethod),
				Weight:         ipvs.Weight(d.Weight),
				UpperThreshold: d.UpperThreshold,
				LowerThreshold: d.LowerThreshold,
				Tunnel:         ipvs.Tunnel{Type: ipvs.TunnelType(d.TunnelType), Port: d.TunnelPort, Checksum: ipvs.TunnelChecksum(d.TunnelFlags)},
			})
		}
		pools = append(pools, p)
	}
	return ipvs.NewTable(pools...), nil
}
