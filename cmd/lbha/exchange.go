package main

import (
	"fmt"
	"io"

	"github.com/lbha/lbha/cmd/internal/observe"
)

// printExchange prints how it goes with telling each other verdicts.
func printExchange(w io.Writer, st *observe.Status, p paint) {
	e := st.Exchange
	if e == nil {
		return
	}
	fmt.Fprintf(w, "\nTELLS VERDICTS\tNAME\t%s\tHEARD\tKNOWN OF IT\tSENT\tRECEIVED\tDROPPED\n", p.plain("STATE"))
	for _, d := range e.Peers {
		heard := "-"
		if !d.Heard.IsZero() {
			heard = age(st.Time, d.Heard) + " ago"
		}
		dropped := uint64(0)
		for _, n := range d.Dropped {
			dropped += n
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\n", d.Address, dash(d.Name), p(d.State, d.State == "live" || d.State == "waiting"), heard, d.Verdicts, d.Sent, d.Received, dropped)
	}
	if e.Taken > 0 {
		fmt.Fprintf(w, "taken over on becoming master: %d\n", e.Taken)
	}
}
