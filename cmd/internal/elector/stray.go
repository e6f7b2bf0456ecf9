package elector

import (
	"slices"
	"strings"

	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/address"
)

// findingStray is of an address of the virtual router that is on this host though it holds none of them: somebody added
// it by hand, or a network manager did. It answers for the address beside the master. It is not ours to remove.
const findingStray vrrp.Reason = "stray-address"

// idle are the addresses of instances that hold nothing: none of them should be here.
func (e *elector) idle() (vips []address.VIP) {
	for _, in := range e.instances {
		if in.idle() {
			theirs, _ := e.vips(in) // what is on no interface is not here
			for _, v := range theirs {
				v.AnyLength = true // by hand it gets that of the network
				vips = append(vips, v)
			}
		}
	}
	return vips
}

func (in *instance) idle() bool {
	return len(in.held) == 0 && !in.finished && in.machine.State() != vrrp.Master
}

// findStrays tells which addresses of idle instances are here, and which no more. missing says of each that was looked
// for whether it is not.
func (e *elector) findStrays(missing map[place]bool) {
	held := make(map[place]bool)
	for _, in := range e.instances {
		for _, v := range in.held {
			held[placeOf(v)] = true
		}
	}
	for _, in := range e.instances {
		var found []string
		if in.idle() {
			theirs, _ := e.vips(in)
			for _, v := range theirs {
				gone, looked := missing[placeOf(v)]
				if looked && !gone && !held[placeOf(v)] { // another instance may hold it, after a reload
					found = append(found, v.Prefix.Addr().String())
				}
			}
		}
		e.strayed(in, found)
	}
}

// strayed tells what of the stray addresses of an instance is new, or over.
func (e *elector) strayed(in *instance, found []string) {
	if slices.Equal(found, in.strays) {
		return
	}
	f := in.stray()
	f.Cleared = len(found) == 0
	in.strays = found
	if !f.Cleared {
		f = in.stray()
	}
	e.finding(in, &f)
}

// stray is the finding.
func (in *instance) stray() vrrp.Finding {
	return vrrp.Finding{Reason: findingStray, Detail: strings.Join(in.strays, ", ") + " is on this host, which does not hold it: remove it, it answers beside the master"}
}

// strayFindings adds the stray addresses to the findings of the machine.
func (in *instance) strayFindings(of []vrrp.Finding) []vrrp.Finding {
	if len(in.strays) == 0 {
		return of
	}
	return append(of[:len(of):len(of)], in.stray())
}
