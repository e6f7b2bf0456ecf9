package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/observe"
)

// untilTold waits until d hears the other director, as one of that name, and is heard by it: with at least n datagrams.
func (d *daemon) untilTold(name string, n uint64) {
	d.t.Helper()
	var e *observe.Exchange
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if st := d.status(); st != nil {
			if e = st.Exchange; e != nil && e.Peers[0].State == "live" && e.Peers[0].Name == name && e.Peers[0].Received >= n {
				return
			}
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%s is not told by %s: %+v", d.host, name, e)
		}
	}
}

// TestDirectorsHearEachOther: a pair that begins with the channel or gets it by a reload, and a process that dies and returns,
// has it between them. The key is nowhere.
func TestDirectorsHearEachOther(t *testing.T) {
	a, b := pairOf(t, "200ms")
	const key = "the key of this pair, of 32 bytes or more"
	for i, d := range []*daemon{a, b} {
		d.more = fmt.Sprintf("[global.peers]\nlisten = \"10.9.0.%d:1112\"\ndirectors = [\"10.9.0.%d:1112\"]\nkey = %q\n", i+1, 2-i, key)
		d.write(200-100*i, "200ms")
		d.reload()
	}
	a.untilTold(b.host, 2)
	b.untilTold(a.host, 2)
	a.kill("lbha: director")
	a.untilTold(b.host, 2)
	b.untilTold(a.host, b.status().Exchange.Peers[0].Received+2)
	for _, d := range []*daemon{a, b} {
		shown, _ := json.Marshal(d.status())
		logged, _ := os.ReadFile(d.log.Name())
		if strings.Contains(string(shown)+string(logged), key[:16]) {
			t.Errorf("%s shows the key", d.host)
		}
	}
}
