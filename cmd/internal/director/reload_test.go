package director

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/keep"
	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
)

// otherRouter changes the VRID in the configuration, which concerns the elector.
func (h *host) otherRouter() {
	h.t.Helper()
	h.edit("id = 51", "id = 52")
}

func TestAReloadIsNotUndoneByTheElectorsOwnNewsOfIt(t *testing.T) {
	h := newHost(t)
	h.write(h.server())
	h.start()
	h.wasAsked()
	h.slow.Store(true)
	h.otherRouter()
	if r := h.reload(); !r.OK {
		t.Fatalf("reload: %+v", r)
	}
	time.Sleep(300 * time.Millisecond)
	if got, want := strings.Join(h.wasAsked(), ", "), "prepare 1, commit"; got != want {
		t.Errorf("the elector was asked %q, want %q", got, want)
	}
}

func TestAReloadWhoseCallerLeavesGoesOnToItsEnd(t *testing.T) {
	h := newHost(t)
	h.write(h.server())
	h.start()
	before := h.hash()
	h.slow.Store(true)
	h.otherRouter()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Millisecond)
	defer cancel()
	if _, err := h.client.Reload(ctx, admin.ReloadRequest{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the caller got %v before it left", err)
	}
	h.until("applied", func() bool { return h.hash() != before })
	h.until("reported", func() bool { return h.status().Config.Reload != nil })
	if ended := h.status().Config.Reload; !ended.OK {
		t.Errorf("the reload ended with %+v", ended)
	}
}

func TestAReloadDuringTheStartWaitsForItsEnd(t *testing.T) {
	h := newHost(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // never accepts: an http check runs into its timeout
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	h.write(silent)
	h.writeText(strings.NewReplacer(`type = "tcp"`, `type = "http"`, `"100ms"`, `"900ms"`, `"80ms"`, `"800ms"`).Replace(h.text()))
	done := make(chan error, 1)
	go func() {
		for {
			r, err := h.client.Reload(context.Background(), admin.ReloadRequest{})
			if errors.Is(err, admin.ErrNotRunning) {
				time.Sleep(5 * time.Millisecond)
				continue
			}
			if err == nil && !r.OK {
				err = errors.New(r.Error)
			}
			done <- err
			return
		}
	}()
	h.start() // fails the test if the director ends
	if err := <-done; err != nil {
		t.Errorf("the reload ended with %v", err)
	}
}

func TestAServerThatReturnsByAReloadIsCheckedFirst(t *testing.T) {
	h, a, b := startPair(t)
	h.stop()
	h.start() // finds both in the table
	b.Close()
	h.untilOut(b)
	h.write(a)
	h.reload()
	written := h.writes()
	h.write(a, b)
	h.reload()
	time.Sleep(250 * time.Millisecond)
	if got := written(); got != "" {
		t.Errorf("a dead server was put in because it was in the table once:\n%s", got)
	}
}

func TestAnOldVerdictPutsNoServerIn(t *testing.T) {
	h, a, b := startPair(t)
	h.stop()
	h.forget() // the supervisor ended too; the state file says that both are up
	var ops []ipvs.Op
	for _, p := range h.kernel.Table() {
		ops = append(ops, ipvs.Op{Action: ipvs.DeleteService, Service: p.Service})
	}
	if err := h.kernel.Apply(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	b.Close()
	written := h.writes()
	h.start()
	h.untilIn(a)
	time.Sleep(250 * time.Millisecond)
	if got := written(); strings.Contains(got, b.Addr().String()) {
		t.Errorf("a dead server was put in on the word of an old verdict:\n%s", got)
	}
}

func TestARestartKeepsTheConfigurationInForce(t *testing.T) {
	h := newHost(t)
	a := h.server()
	h.write(a)
	h.start()
	h.untilIn(a)
	hash := h.hash()
	h.stop()
	h.writeText("somebody is [editing")
	h.start()
	if got := h.hash(); got != hash {
		t.Errorf("configuration %s is in force, want %s", got, hash)
	}
	state, err := os.ReadFile(filepath.Join(h.dir, stateFile))
	if err != nil || strings.Contains(string(state), "config") {
		t.Errorf("the state file has the configuration, or: %v", err)
	}
}

// A director that dies right after it has said that a configuration is in force begins with that one.
func TestAReloadThatIsAnsweredIsKept(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	h.write(a)
	h.start()
	for _, servers := range [][]net.Listener{{a, b}, {b}, {a}} {
		h.write(servers...)
		if r := h.reload(); !r.OK {
			t.Fatalf("%+v", r)
		}
		region, err := keep.Open(h.memory)
		if err != nil {
			t.Fatal(err)
		}
		m := newMemory(region)
		cfg := m.inForce().Config
		if cfg == nil || len(cfg.Services[0].Servers) != len(servers) || cfg.Services[0].Servers[0].Address.String() != servers[0].Addr().String() {
			t.Errorf("with %d servers: what is kept is %+v", len(servers), cfg)
		}
		region.Close()
	}
}

// A reload works out anew only what it changes: what has come of it must be all that the configuration says.
func TestAReloadLeavesNothingOfWhatItChanges(t *testing.T) {
	h := newHost(t)
	a, b, c, other := h.server(), h.server(), h.server(), h.server()
	h.write(a)
	h.start()
	write := func(services ...string) {
		var s strings.Builder
		s.WriteString(h.global("lb1") + router + "[defaults.service]\nscheduler = \"rr\"\nforward = \"nat\"\n[defaults.service.check]\ntype = \"tcp\"\ninterval = \"100ms\"\ntimeout = \"80ms\"\nrise = 1\n")
		for _, service := range services {
			words := strings.Fields(service)
			fmt.Fprintf(&s, "[[service]]\nname = %q\naddress = \"10.9.0.100:%s\"\n%s", words[0], words[1], serverTables(words[2:]...))
		}
		h.writeText(s.String())
	}
	rules := func(services ...string) string {
		var s strings.Builder
		for _, service := range services {
			words := strings.Fields(service)
			fmt.Fprintf(&s, "-A -t 10.9.0.100:%s -s rr\n", words[0])
			for _, server := range words[1:] {
				fmt.Fprintf(&s, "-a -t 10.9.0.100:%s -r %s -m -w 1\n", words[0], server)
			}
		}
		return s.String()
	}
	stays := "stays 90 " + other.Addr().String()
	for _, step := range []struct{ services, rules []string }{
		{[]string{"x 81 " + a.Addr().String(), "y 82 " + b.Addr().String(), stays}, []string{"81 " + a.Addr().String(), "82 " + b.Addr().String()}},
		// The addresses of two services change places, a service goes, a service comes in its place.
		{[]string{"x 82 " + a.Addr().String(), "y 81 " + b.Addr().String(), stays}, []string{"81 " + b.Addr().String(), "82 " + a.Addr().String()}},
		{[]string{"y 81 " + b.Addr().String(), stays}, []string{"81 " + b.Addr().String()}},
		{[]string{stays, "z 81 " + c.Addr().String()}, []string{"81 " + c.Addr().String()}},
		{[]string{stays}, nil},
	} {
		write(step.services...)
		if r := h.reload(); !r.OK {
			t.Fatalf("%+v", r)
		}
		want := rules(append(step.rules, "90 "+other.Addr().String())...)
		for rule := range strings.Lines(h.kernel.Table().String()) { // at once, while what is gone drains
			if strings.HasSuffix(rule, "-w 1\n") && !strings.Contains(want, rule) {
				t.Errorf("after the answer there is %swhere is wanted\n%s", rule, want)
			}
		}
		h.until(want, func() bool { return h.kernel.Table().String() == want })
	}
}

// What a successor finds must be what was in force, for every setting that can be.
func TestAFrozenConfigurationIsTheSame(t *testing.T) {
	for _, path := range []string{"../../../config/testdata/surface.toml", "../../../config/testdata/instances.toml"} {
		cfg, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		// A firewall mark has no protocol, and no version that runs it is known here.
		cfg.Services = slices.DeleteFunc(cfg.Services, func(s config.Service) bool { return s.Protocol == 0 })
		for i := range cfg.Instances {
			cfg.Instances[i].Tracks = nil // an empty list of a script's arguments returns as none
		}
		memory, err := keep.Create("test", 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		defer memory.Close()
		region, err := keep.Open(memory)
		if err != nil {
			t.Fatal(err)
		}
		defer region.Close()
		m := newMemory(region)
		if err := m.config.SaveText(frozen(inForce{Config: cfg})); err != nil {
			t.Fatal(err)
		}
		back := m.inForce().Config
		if back == nil {
			_, err := m.config.Load(new(config.Config))
			t.Fatalf("%s: not read back: %v", path, err)
		}
		if p := config.Compare(cfg, back); !p.Empty() || back.Hash != cfg.Hash {
			t.Errorf("%s: changed on the way:\n%s", path, p)
		}
	}
}

func TestAnAnswerIsToItsOwnQuestion(t *testing.T) {
	files := [2]*os.File{}
	var err error
	if files[0], files[1], err = link.Pair(); err != nil {
		t.Fatal(err)
	}
	defer files[0].Close()
	defer files[1].Close()
	ours, err := link.Open(int(files[1].Fd()))
	if err != nil {
		t.Fatal(err)
	}
	e := newElector(ours)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	// A prepare that was asked twice is answered twice.
	for range 2 {
		e.answer(link.Message{Prepared: &link.Outcome{Generation: e.generation + 1}})
	}
	generation, err := e.prepare(ctx, &config.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.commit(ctx, generation); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a commit that nobody answered ended with %v", err)
	}
	for n := range 20 { // nobody waits: the newest stay
		e.answer(link.Message{Committed: &link.Outcome{Generation: generation, Error: fmt.Sprint(n)}})
	}
	if len(e.answers) != cap(e.answers) {
		t.Errorf("%d answers are kept", len(e.answers))
	}
}
