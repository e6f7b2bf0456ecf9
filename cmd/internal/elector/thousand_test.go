package elector

import (
	"fmt"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

// A thousand virtual routers on four interfaces become master together, and return so after a crash.
func TestAThousandRouters(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 4)
	p := l.elector(0)
	var all []config.Instance
	var names []string
	for k := range 1000 {
		ethernet, id := k%4, 1+k/4
		in := router(fmt.Sprintf("r%d", k), ethernet, 1, 100)
		in.VRID, in.Interval = vrrp.VRID(id), time.Second
		in.Addresses[0].Prefix = vip(10+ethernet, id).Prefix
		all, names = append(all, in), append(names, in.Name)
	}
	began := time.Now()
	p.configure(nil, all...)
	p.untilAll(vrrp.Master, names...)
	t.Logf("all are master after %v", time.Since(began))
	p.kill()
	p.state = link.State{}
	began = time.Now()
	p.start()
	p.untilAll(vrrp.Master, names...)
	t.Logf("all are master again after %v", time.Since(began))
	for _, name := range names {
		if s := p.of(name); s.Reason != vrrp.ReasonResumed || len(s.Held) != 1 {
			t.Fatalf("%s returned as %+v", name, s)
		}
	}
	late := time.Duration(0)
	for _, s := range p.state.Instances {
		late = max(late, s.MaxLate)
	}
	t.Logf("the worst lateness of an advert was %v", late)
}
