package netlab

import (
	"fmt"
	"net"
	"net/netip"
	"time"
)

// reaches checks that each of the hosts can send a datagram to one of them.
func (n *Network) reaches(hosts []*Host, to *Host) error {
	var conn *net.UDPConn
	at := netip.AddrPortFrom(to.Addr, 9)
	err := to.Do(func() (err error) {
		conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, from := range hosts {
		if from == to {
			continue
		}
		err := from.Do(func() error {
			c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(at))
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = c.Write([]byte(from.Name))
			return err
		})
		if err != nil {
			return fmt.Errorf("%s cannot send to %s: %w", from.Name, to.Name, err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
			return err
		}
		buf := make([]byte, 16)
		size, err := conn.Read(buf)
		if err != nil || string(buf[:size]) != from.Name {
			return fmt.Errorf("%s does not reach %s: %v", from.Name, to.Name, err)
		}
	}
	return nil
}
