package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/healthcheck"
)

// maxEchoes is the number of echo replies that are passed over because they answer
// somebody else on this host.
const maxEchoes = 1000

// An icmpProber sends one echo request and waits for its reply. It needs
// CAP_NET_RAW: a raw socket, unlike one of the kernel's ping sockets, needs no
// sysctl. The kernel hands it only what comes from the target.
type icmpProber struct{ dialer dialer }

func (p *icmpProber) Probe(ctx context.Context) healthcheck.Result {
	start := time.Now()
	c, err := p.dialer.dial(ctx)
	if err != nil {
		return failed(ctx, start, phaseConnect, err)
	}
	defer c.Close()
	if err := p.filter(c); err != nil {
		return failed(ctx, start, phaseConnect, local("filter", err))
	}
	echo := newEcho(p.dialer.target.Addr().Is4())
	request, err := echo.request()
	if err != nil {
		return failed(ctx, start, phaseRequest, local("echo", err))
	}
	if _, err := c.Write(request); err != nil {
		return failed(ctx, start, phaseRequest, err)
	}
	packet := make([]byte, maxDatagram)
	for range maxEchoes {
		n, err := c.Read(packet)
		if err != nil {
			return failed(ctx, start, phaseAnswer, err)
		}
		if echo.answeredBy(packet[:n]) {
			return healthcheck.Passed("echo in " + rounded(time.Since(start)).String())
		}
	}
	return healthcheck.Failed(healthcheck.FailureProtocol, "a flood of echo replies, none of them ours")
}

// filter tells the kernel that only echo replies are of interest.
func (p *icmpProber) filter(c *conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		if p.dialer.target.Addr().Is4() {
			const solRaw, icmpFilter = 255, 1 // raw(7): a set bit is a type that is dropped
			failed = unix.SetsockoptInt(int(fd), solRaw, icmpFilter, int(^uint32(1<<ipv4.ICMPTypeEchoReply)))
			return
		}
		var f unix.ICMPv6Filter
		for i := range f.Data {
			f.Data[i] = 0xffffffff
		}
		f.Data[ipv6.ICMPTypeEchoReply>>5] &^= 1 << (ipv6.ICMPTypeEchoReply & 31)
		failed = unix.SetsockoptICMPv6Filter(int(fd), unix.SOL_ICMPV6, unix.ICMPV6_FILTER, &f)
	})
	if err == nil {
		err = failed
	}
	return err
}

// An echo is a request that only its own reply answers: all raw sockets of a host
// hear all replies.
type echo struct {
	is4     bool
	id, seq int
	token   []byte
}

func newEcho(is4 bool) *echo {
	token := binary.NativeEndian.AppendUint64(nil, rand.Uint64())
	return &echo{is4: is4, id: rand.IntN(1 << 16), seq: rand.IntN(1 << 16), token: token}
}

// request is the packet to send. The kernel fills in the checksum of ICMPv6.
func (e *echo) request() ([]byte, error) {
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: e.id, Seq: e.seq, Data: e.token}}
	if !e.is4 {
		m.Type = ipv6.ICMPTypeEchoRequest
	}
	return m.Marshal(nil)
}

// answeredBy reports whether a packet is the reply. One of IPv4 has its IP header.
func (e *echo) answeredBy(packet []byte) bool {
	protocol := ipv6.ICMPTypeEchoReply.Protocol()
	if e.is4 {
		protocol = ipv4.ICMPTypeEchoReply.Protocol()
		if len(packet) < ipv4.HeaderLen {
			return false
		}
		n := int(packet[0]&0x0f) * 4
		if n < ipv4.HeaderLen || len(packet) < n {
			return false
		}
		packet = packet[n:]
	}
	m, err := icmp.ParseMessage(protocol, packet)
	if err != nil || m.Type != ipv4.ICMPTypeEchoReply && m.Type != ipv6.ICMPTypeEchoReply {
		return false
	}
	reply, ok := m.Body.(*icmp.Echo)
	return ok && reply.ID == e.id && reply.Seq == e.seq && bytes.Equal(reply.Data, e.token)
}
