package herald

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/config"
)

// fifo makes a FIFO.
func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFIFOIsWrittenInOrder(t *testing.T) {
	path := fifo(t)
	h, _ := notifying(t, config.Notify{Stream: path}, "web", "mail")
	r, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var want []string
	for n := range 100 {
		name := []string{"web", "mail"}[n%2]
		x := flap(name, n)
		h.Tell(x)
		want = append(want, line(x))
	}
	until(t, "written", func() bool { a, _ := h.Status("web"); b, _ := h.Status("mail"); return a.Lines+b.Lines == 100 })
	lines := bufio.NewReader(r)
	for _, w := range want {
		if got, err := lines.ReadString('\n'); err != nil || got != w {
			t.Fatalf("%q, %v; want %q", got, err, w)
		}
	}
	if want[0] != "TRANSITION 2026-03-01T12:00:00.000Z web backup master no-master 0 0\n" {
		t.Errorf("the first line was %q", want[0])
	}
	if st, _ := h.Status("web"); st.Lines != 50 || st.Lost != 0 || st.LastLine != "" {
		t.Errorf("status %+v", st)
	}
}

// TestAnAbsentReaderIsToldTheNewest holds that lines without a reader are left out, but for the newest of each instance.
func TestAnAbsentReaderIsToldTheNewest(t *testing.T) {
	path := fifo(t)
	h, _ := notifying(t, config.Notify{Stream: path}, "web", "mail")
	h.Tell(flap("mail", 0))
	for n := range 101 {
		h.Tell(flap("web", n))
	}
	until(t, "tried", func() bool {
		st, _ := h.Status("web")
		return st.LastLine == "nobody reads it" && st.Unread == 1 && st.Lost == 100
	})
	r, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	newest := flap("web", 100)
	newest.Missed = 100
	until(t, "told", func() bool { st, _ := h.Status("web"); return st.Unread == 0 })
	lines := bufio.NewReader(r)
	for _, want := range []string{line(flap("mail", 0)), line(newest)} {
		if got, err := lines.ReadString('\n'); err != nil || got != want {
			t.Fatalf("%q, %v; want %q", got, err, want)
		}
	}
}

// TestAStuckReaderHoldsUpNobody holds that a reader that does not read costs lines, and gets the newest when it does.
func TestAStuckReaderHoldsUpNobody(t *testing.T) {
	path := fifo(t)
	h, _ := notifying(t, config.Notify{Stream: path}, "web")
	r, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const flaps = 5000
	start := time.Now()
	for n := range flaps {
		h.Tell(flap("web", n))
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("%d lines took %v", flaps, took)
	}
	until(t, "full", func() bool { st, _ := h.Status("web"); return st.LastLine == "its reader does not read" })
	told, total := -1, 0
	lines := bufio.NewReader(r)
	for told < flaps-1 {
		got, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		var words [5]string
		var n, missed int
		if _, err := fmt.Sscan(got, &words[0], &words[1], &words[2], &words[3], &words[4], new(string), &n, &missed); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		if n != told+missed+1 {
			t.Fatalf("%d is told after %d, with %d missed", n, told, missed)
		}
		told, total = n, total+missed
	}
	until(t, "counted", func() bool {
		st, _ := h.Status("web")
		return total > 0 && st.Lost == uint64(total) && st.Lines+st.Lost == flaps
	})
}

func TestASocketIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	h, _ := notifying(t, config.Notify{Stream: path}, "web")
	h.Tell(flap("web", 0))
	until(t, "tried", func() bool { st, _ := h.Status("web"); return st.LastLine == "it does not exist" })
	for round := range 2 { // the reader comes, goes, and comes again
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if round == 1 {
			h.Tell(flap("web", 1))
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		got, err := bufio.NewReader(c).ReadString('\n')
		if want := line(flap("web", round)); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
		c.Close()
		l.Close()
	}
}

func TestWhatIsNoStreamIsNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	h, _ := notifying(t, config.Notify{Stream: path}, "web")
	h.Tell(flap("web", 0))
	until(t, "tried", func() bool {
		st, _ := h.Status("web")
		return st.LastLine == "it is neither a FIFO nor a unix socket"
	})
	h.Finish()
	if got := read(t, path); got != "mine" {
		t.Errorf("the file holds %q", got)
	}
	if st, _ := h.Status("web"); st.Lost != 1 {
		t.Errorf("status %+v", st)
	}
}
