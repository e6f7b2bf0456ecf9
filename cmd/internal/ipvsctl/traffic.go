package ipvsctl

import (
	"fmt"
	"io"
	"strconv"

	"github.com/lbha/lbha/ipvs"
)

// refreshed ends what shows counters: right after traffic they lag, and people wonder.
const refreshed = "The kernel refreshes these numbers every 2 seconds."

// WriteStats prints the counters since each service and server was made or zeroed: shortened, or to the last digit.
func (l Listing) WriteStats(out io.Writer, exact bool) error {
	return l.writeTraffic(out, []string{"CONNECTIONS", "PACKETS IN", "PACKETS OUT", "BYTES IN", "BYTES OUT"}, exact,
		func(t ipvs.Traffic) []uint64 {
			return []uint64{t.Connections, t.PacketsIn, t.PacketsOut, t.BytesIn, t.BytesOut}
		})
}

// WriteRates prints the rates per second, as the kernel estimates them.
func (l Listing) WriteRates(out io.Writer, exact bool) error {
	return l.writeTraffic(out, []string{"CONNECTIONS/S", "PACKETS IN/S", "PACKETS OUT/S", "BYTES IN/S", "BYTES OUT/S"}, exact,
		func(t ipvs.Traffic) []uint64 {
			return []uint64{t.ConnectionRate, t.PacketRateIn, t.PacketRateOut, t.ByteRateIn, t.ByteRateOut}
		})
}

func (l Listing) writeTraffic(out io.Writer, columns []string, exact bool, numbers func(ipvs.Traffic) []uint64) error {
	cells := func(t ipvs.Traffic) []string {
		var list []string
		for _, n := range numbers(t) {
			if exact {
				list = append(list, strconv.FormatUint(n, 10))
			} else {
				list = append(list, short(n))
			}
		}
		return list
	}
	err := l.write(out, columns,
		func(s Service) []string { return cells(s.Traffic) },
		func(r Server) []string { return cells(r.Traffic) })
	if err != nil || len(l.Services) == 0 {
		return err
	}
	_, err = fmt.Fprintln(out, refreshed)
	return err
}

// short writes a number with three significant digits and a decimal prefix, from 100,000 on: 99999, 100k, 1.23M.
func short(n uint64) string {
	if n < 100_000 {
		return strconv.FormatUint(n, 10)
	}
	unit, units := uint64(1), " kMGTPE"
	for n/unit >= 1000 {
		unit, units = unit*1000, units[1:]
	}
	whole, rest := n/unit, n%unit
	switch {
	case whole >= 100:
		return fmt.Sprintf("%d%c", whole, units[0])
	case whole >= 10:
		return fmt.Sprintf("%d.%d%c", whole, rest/(unit/10), units[0])
	}
	return fmt.Sprintf("%d.%02d%c", whole, rest/(unit/100), units[0])
}
