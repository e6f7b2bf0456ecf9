package lvs

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/observe"
)

// packets makes a request of each service and judges what the wire showed.
func (s *session) packets(context.Context) error {
	stop := make(chan struct{})
	defer close(stop)
	tape := new(observe.Tape[observe.Frame])
	for _, at := range []struct {
		host  node
		iface string
	}{{s.net.client, inside}, {s.net.client, outside}, {s.net.d[0], inside}, {s.net.d[0], outside}, {s.net.real[0], inside}, {s.net.real[1], inside}} {
		if err := observe.Capture(at.host.Host, at.iface, tape, stop); err != nil {
			return err
		}
	}
	for _, v := range virtual {
		// Whoever holds the address is asked for anew.
		if err := s.net.client.ip("neigh flush dev "+inside, "neigh flush dev "+outside); err != nil {
			return err
		}
		x, err := s.request(v, tape)
		if err != nil {
			s.find(v.name+": a request is answered", false, "%v", err)
			continue
		}
		for _, t := range truths(v.mode) {
			ok, measured := t.judge(x)
			s.find(v.name+": "+t.name, ok, "%s", measured)
		}
		// On a NAT service's segment there are no real servers.
		if v.iface == inside {
			if err := s.claims(v, tape); err != nil {
				return err
			}
		}
	}
	return nil
}

// claims asks for a service's address in every way, and judges who claims it.
func (s *session) claims(v service, tape *observe.Tape[observe.Frame]) error {
	from := mono.Now()
	if v.addr.Is4() {
		c := s.net.client
		if err := observe.Ask(c.Host, inside, c.mac(inside), c.at(inside, false), v.addr, s.net.real[0].mac(inside), s.net.real[1].mac(inside)); err != nil {
			return err
		}
	}
	// A request of a client that does not know the address makes its kernel ask, on IPv6 too.
	if err := s.net.client.ip("neigh flush dev " + inside); err != nil {
		return err
	}
	if _, _, err := s.get(v); err != nil {
		return err
	}
	time.Sleep(settle)
	macs := claimants(seen(tape, from), v.addr)
	s.find(v.name+": the master alone claims the address, no real server does", slices.Equal(macs, []string{s.net.d[0].mac(inside).String()}),
		"claimed by %s", strings.Join(macs, ", "))
	return nil
}

// seen are the packets since a time.
func seen(tape *observe.Tape[observe.Frame], from mono.Time) (packets []packet) {
	for _, f := range tape.Between(from, mono.Now()) {
		if p, ok := parse(f); ok {
			packets = append(packets, p)
		}
	}
	return packets
}

// settle is how long after a request the last of its packets may come.
const settle = 300 * time.Millisecond

// request makes one request and collects its packets.
func (s *session) request(v service, tape *observe.Tape[observe.Frame]) (exchange, error) {
	from := mono.Now()
	client, answer, err := s.get(v)
	if err != nil {
		return exchange{}, err
	}
	time.Sleep(settle)
	x := exchange{service: v, client: client, answer: answer, packets: seen(tape, from)}
	x.director = s.endpoint(s.net.d[0], v)
	for _, rs := range s.net.real {
		if strings.HasPrefix(answer, rs.Name+" ") {
			x.server = s.endpoint(rs, v)
		}
	}
	return x, nil
}

func (s *session) endpoint(n node, v service) endpoint {
	return endpoint{n.Name, netip.AddrPortFrom(n.at(inside, v.over6()), drive.PortHTTP), n.mac(inside).String()}
}

// get makes a request from the client's host, and returns the client's own address and the body of the answer.
func (s *session) get(v service) (client netip.AddrPort, body string, err error) {
	err = s.net.client.Do(func() error {
		c, err := net.DialTimeout("tcp", netip.AddrPortFrom(v.addr, drive.PortHTTP).String(), 3*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		client = c.LocalAddr().(*net.TCPAddr).AddrPort()
		if err := c.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
			return err
		}
		if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			return err
		}
		answer, err := io.ReadAll(c)
		if err != nil {
			return err
		}
		head, text, ok := strings.Cut(string(answer), "\r\n\r\n")
		if !ok || !strings.Contains(head, " 200 ") {
			return fmt.Errorf("answer %q", answer)
		}
		body = text
		return nil
	})
	return client, body, err
}
