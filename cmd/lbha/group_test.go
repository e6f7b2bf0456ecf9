package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/admin"
)

// grouped is a second instance, and a group of the two.
const grouped = `
[[vrrp]]
name = "mail"
interface = "eth0"
id = 52
priority = %d
interval = "100ms"
addresses = ["10.9.0.101/32"]
%s`

const group = `[[vrrp_group]]
name = "both"
members = ["web", "mail"]
`

// untilBoth waits for both instances to be in a state and in a group.
func (d *daemon) untilBoth(state, group string) {
	d.t.Helper()
	is := ""
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		st := d.status()
		if st == nil {
			continue
		}
		is = ""
		for _, in := range st.Instances {
			is += fmt.Sprintf("%s %s %s, ", in.Name, in.State, in.Group)
		}
		if is == fmt.Sprintf("web %s %s, mail %s %s, ", state, group, state, group) {
			return
		}
	}
	d.t.Fatalf("%s never became %s in group %q: %s", d.host, state, group, is)
}

func TestASyncGroupOfThePair(t *testing.T) {
	l := newLAN(t)
	a, b := l.director(0, 200, "100ms"), l.director(1, 100, "100ms")
	a.more, b.more = fmt.Sprintf(grouped, 150, group), fmt.Sprintf(grouped, 100, group)
	a.write(200, "100ms")
	b.write(100, "100ms")
	a.start()
	a.untilBoth("master", "both")
	b.start()
	b.untilBoth("backup", "both")
	var out bytes.Buffer
	if err := printStatus(&out, a.status(), painter(&out)); err != nil || !strings.Contains(out.String(), "  both  ") {
		t.Errorf("the status does not show the group: %v\n%s", err, out.String())
	}
	if err := a.client.Failover(t.Context(), admin.FailoverRequest{Instance: "mail"}); err != nil {
		t.Fatal(err)
	}
	b.untilBoth("master", "both")
	a.untilBoth("backup", "both")
	out.Reset()
	if err := printStatus(&out, a.status(), painter(&out)); err != nil || !strings.Contains(out.String(), "PEER") || !strings.Contains(out.String(), "10.9.0.2") {
		t.Errorf("the status does not show the peer: %v\n%s", err, out.String())
	}

	// A reload dissolves the group and moves nothing.
	b.more = fmt.Sprintf(grouped, 100, "")
	b.write(100, "100ms")
	if r, err := b.client.Reload(t.Context(), admin.ReloadRequest{}); err != nil || !r.OK {
		t.Fatal(err)
	}
	b.untilBoth("master", "")
}
