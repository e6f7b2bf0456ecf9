package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/vrrp/wire"
)

const (
	oldKey = "the old key of the pair, 32 bytes or more"
	newKey = "the new key of the pair, 32 bytes or more"
)

// hmacAuth is the line of an instance that authenticates with hmac. keys are of ids 1, 2, …; an empty one is left out.
func hmacAuth(mode string, active int, keys ...string) string {
	var list []string
	for i, k := range keys {
		if k != "" {
			list = append(list, fmt.Sprintf("{ id = %d, key = %q }", i+1, k))
		}
	}
	return fmt.Sprintf("auth = { type = \"hmac\", mode = %q, active = %d, keys = [%s] }\n", mode, active, strings.Join(list, ", "))
}

// hearsMore waits until d has received n more adverts.
func (d *daemon) hearsMore(n uint64) {
	d.t.Helper()
	was := d.until("backup").Received
	for deadline := time.Now().Add(15 * time.Second); d.until("backup").Received < was+n; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("the backup hears nothing any more: dropped %v", d.until("backup").Dropped)
		}
	}
}

func TestHMACIsIntroducedAndRotatedWithoutATransition(t *testing.T) {
	a, b := pairOf(t, "200ms")
	fromA, fromB := a.transitions(), b.transitions()
	for _, auth := range []string{
		hmacAuth("receive-only", 1, oldKey),
		hmacAuth("permissive", 1, oldKey),
		hmacAuth("enforce", 1, oldKey),
		hmacAuth("enforce", 1, oldKey, newKey),
		hmacAuth("enforce", 2, oldKey, newKey),
		hmacAuth("enforce", 2, "", newKey),
	} {
		for i, d := range []*daemon{a, b} {
			d.more = auth
			d.write(200-100*i, "200ms")
			d.reload()
			b.hearsMore(2)
		}
	}
	for d, before := range map[*daemon]uint64{a: fromA, b: fromB} {
		if got := d.transitions(); got != before {
			t.Errorf("%s made %d transitions", d.host, got-before)
		}
		st := d.status()
		if len(st.Instances[0].Dropped) > 0 {
			t.Errorf("%s refused adverts: %v", d.host, st.Instances[0].Dropped)
		}
		shown, _ := json.Marshal(st)
		logged, _ := os.ReadFile(d.log.Name())
		for _, key := range []string{oldKey, newKey} {
			if strings.Contains(string(shown)+string(logged), key[:16]) {
				t.Errorf("%s shows a key", d.host)
			}
		}
	}

	// A key that only one side has is refused, and both are master: hmac has no silent fallback.
	b.more = hmacAuth("enforce", 2, "", oldKey)
	b.write(100, "200ms")
	b.reload()
	b.until("master")
	if d := b.status().Instances[0].Dropped; d["hmac-bad-mac"] == 0 {
		t.Errorf("the reason is not counted: %v", d)
	}
	b.more = hmacAuth("enforce", 2, "", newKey)
	b.write(100, "200ms")
	b.reload()
	b.until("backup")
}

func TestForgedAndReplayedAdvertsDoNothing(t *testing.T) {
	l := newLAN(t)
	a, b := l.director(0, 200, "200ms"), l.director(1, 100, "200ms")
	for i, d := range []*daemon{a, b} {
		d.more = hmacAuth("enforce", 1, oldKey)
		d.write(200-100*i, "200ms")
		d.start()
	}
	a.until("master")
	b.until("backup")
	b.hearsMore(3)
	fromA, fromB := a.transitions(), b.transitions()
	nearA, nearB := newAttacker(t, a.host), newAttacker(t, b.host)

	captured := nearB.capture(3)
	impostor := func(change func(*wire.HMACConfig)) *wire.HMAC {
		key, err := wire.NewKey(1, []byte(newKey))
		if err != nil {
			t.Fatal(err)
		}
		cfg := wire.HMACConfig{Keys: []wire.Key{key}, Active: 1, Mode: wire.ModeEnforce, Replay: wire.ReplayMonotonic}
		if change != nil {
			change(&cfg)
		}
		h, err := wire.NewHMAC(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	stranger := impostor(func(c *wire.HMACConfig) {
		key, _ := wire.NewKey(9, []byte(oldKey))
		c.Keys, c.Active = []wire.Key{key}, 9
	})
	for deadline := time.Now().Add(7 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, packet := range captured { // at first a replay, after the window stale
			nearA.send(packet)
		}
		for _, h := range []*wire.HMAC{nil, impostor(nil), stranger} {
			nearA.send(advert(t, h, "10.9.0.1", 0))   // the master resigns, it says
			nearA.send(advert(t, h, "10.9.0.3", 255)) // the backup is to stay where it is
			nearB.send(advert(t, h, "10.9.0.2", 255)) // the master is to yield
		}
	}
	for d, before := range map[*daemon]uint64{a: fromA, b: fromB} {
		in := d.status().Instances[0]
		if in.Transition != before {
			t.Errorf("%s made %d transitions", d.host, in.Transition-before)
		}
		reasons := []string{"hmac-missing", "hmac-bad-mac", "hmac-unknown-key"}
		if d == b {
			reasons = append(reasons, "hmac-replay", "hmac-stale")
		}
		for _, reason := range reasons {
			if in.Dropped[reason] == 0 {
				t.Errorf("%s counted nothing as %s: %v", d.host, reason, in.Dropped)
			}
		}
	}
	// And a backup that is fed nothing but forgeries takes over when the master is gone.
	a.cmd.Process.Kill()
	a.cmd.Wait()
	for deadline := time.Now().Add(5 * time.Second); b.status().Instances[0].State != "master"; {
		if time.Now().After(deadline) {
			t.Fatal("forgeries keep the backup from taking over")
		}
		nearA.send(captured[0])
		nearA.send(advert(t, impostor(nil), "10.9.0.1", 200))
	}
}

// advert is an IP packet with an advertisement of VRID 51, signed unless h is nil.
func advert(t *testing.T, h *wire.HMAC, source string, priority uint8) []byte {
	t.Helper()
	src, dst := netip.MustParseAddr(source), wire.Group4()
	ad := wire.Advert{Version: 3, VRID: 51, Priority: priority, Interval: 200 * time.Millisecond, Addresses: []netip.Addr{netip.MustParseAddr("10.9.0.100")}}
	msg, err := wire.Append(nil, &ad, src, dst, wire.FormPseudo)
	if err != nil {
		t.Fatal(err)
	}
	if h != nil {
		trailer := h.Sign(msg, src, time.Now())
		msg = trailer.Append(msg, src, dst)
	}
	p := []byte{0x45, 0xc0, 0, 0, 0, 1, 0, 0, wire.TTL, wire.Protocol, 0, 0} // the kernel adds the checksum
	p = append(append(append(p, src.AsSlice()...), dst.AsSlice()...), msg...)
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	return p
}

// attacker is somebody on the Ethernet, at the plug of a host: what is sent there reaches the other host, under any
// source.
type attacker struct {
	t           *testing.T
	raw, packet int
}

func newAttacker(t *testing.T, host string) *attacker {
	t.Helper()
	at := &attacker{t: t}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends in its namespace
		done <- at.open(host)
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(at.raw); unix.Close(at.packet) })
	return at
}

func (at *attacker) open(host string) error {
	ns, err := unix.Open("/run/netns/"+host, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		return err
	}
	if at.raw, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
		return err
	}
	if err := unix.BindToDevice(at.raw, "eth0"); err != nil {
		return err
	}
	const ip = unix.ETH_P_IP>>8 | unix.ETH_P_IP&0xff<<8
	at.packet, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, ip)
	return err
}

func (at *attacker) send(packet []byte) {
	at.t.Helper()
	if err := unix.Sendto(at.raw, packet, 0, &unix.SockaddrInet4{Addr: wire.Group4().As4()}); err != nil {
		at.t.Fatal(err)
	}
}

// capture returns the next n adverts on the wire.
func (at *attacker) capture(n int) (packets [][]byte) {
	at.t.Helper()
	timeout := unix.Timeval{Sec: 5}
	if err := unix.SetsockoptTimeval(at.packet, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		at.t.Fatal(err)
	}
	for len(packets) < n {
		b := make([]byte, 2048)
		k, _, err := unix.Recvfrom(at.packet, b, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			at.t.Fatalf("nobody advertises: %v", err)
		}
		if b[9] == wire.Protocol {
			packets = append(packets, b[:k])
		}
	}
	return packets
}
