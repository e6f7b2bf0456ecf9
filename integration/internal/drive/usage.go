package drive

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what the processes of a daemon have used, all together.
type Usage struct {
	Processor time.Duration // user and system, since they began
	Resident  int           // memory in kB; what they share counts for each
	Share     int           // memory in kB; what they share counts once (Pss)
	Shares    map[Part]int  // of which each process has so much
}

// Usage reads it from /proc. A process that ends meanwhile does not count.
func (d *Director) Usage() (u Usage) {
	u.Shares = map[Part]int{}
	for part, pid := range d.Processes() {
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
			u.Processor += worked(string(text))
		}
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
			u.Resident += kilobytes(string(text), "VmRSS:")
		}
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid)); err == nil {
			u.Shares[part] = kilobytes(string(text), "Pss:")
			u.Share += u.Shares[part]
		}
	}
	return u
}

// worked is utime and stime of /proc/PID/stat: the 12th and 13th field after the name, which is in brackets and may
// have blanks; in hundredths of a second.
func worked(stat string) (sum time.Duration) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	for _, f := range fields[11:13] {
		n, _ := strconv.Atoi(f)
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum
}

// kilobytes finds a line "Name:  123 kB".
func kilobytes(text, name string) int {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.Atoi(strings.Fields(value)[0])
			return n
		}
	}
	return 0
}
