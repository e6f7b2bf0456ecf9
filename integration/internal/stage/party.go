package stage

import (
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/netlab"
)

// PartyCommand is the hidden first argument of the lab's own clients and servers.
const PartyCommand = "party"

// Party is the main function of such a process: "tcp|udp TARGET PERIOD TIMEOUT RECORD", "echo ADDRESS NUMBER", "forge|claim RATE
// DURATION MAC".
func Party(args []string) error {
	// What these processes allocate, they allocate at their start. A collection would wait for ever for a thread in a raw call.
	debug.SetGCPercent(-1)
	switch {
	case len(args) == 5 && (args[0] == "tcp" || args[0] == "udp"):
		return client(args[0], args[1:])
	case len(args) == 3 && args[0] == "echo":
		addr, err := netip.ParseAddrPort(args[1])
		if err != nil {
			return err
		}
		number, err := strconv.ParseUint(args[2], 10, 8)
		if err != nil {
			return err
		}
		return load.Echo(addr, byte(number))
	case len(args) == 4 && (args[0] == "forge" || args[0] == "claim"):
		return forger(args[0], args[1:])
	}
	return fmt.Errorf("no such party: %q", args)
}

func client(kind string, args []string) error {
	target, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return err
	}
	period, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	timeout, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	record, err := load.OpenRecord(args[3])
	if err != nil {
		return err
	}
	if kind == "tcp" {
		return load.TCP{Target: target, Period: period, Timeout: timeout}.Run(record)
	}
	return load.UDP{Target: target, Period: period, Timeout: timeout}.Run(record)
}

func forger(what string, args []string) error {
	rate, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	duration, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	mac, err := net.ParseMAC(args[2])
	if err != nil {
		return err
	}
	f := load.Forger{Interface: netlab.Interface, MAC: mac, Source: netip.MustParseAddr("10.9.0.66"), VRID: 51, VIP: netlab.VIP}
	begin, run := time.Now(), f.Run
	if what == "claim" {
		run = f.Claim
	}
	sent, err := run(rate, duration)
	fmt.Printf("%d sent in %v\n", sent, time.Since(begin).Round(time.Millisecond))
	return err
}
