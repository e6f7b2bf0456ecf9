package scale

import (
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/integration/internal/drive"
)

// What both daemons are given names the same servers, and lbha's is good.
func TestConfig(t *testing.T) {
	size := Size{Services: 3, Each: 4, Check: 10 * time.Second}
	for _, more := range []int{0, 1, 2} {
		want := size.Servers() + more
		text := size.config(drive.LBHA, "d1", more)
		cfg, err := config.Parse("d1.toml", []byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		n := 0
		for _, s := range cfg.Services {
			n += len(s.Servers)
		}
		if n != want || len(cfg.Services) != size.Services {
			t.Errorf("lbha: %d servers of %d services", n, len(cfg.Services))
		}
		if n := strings.Count(size.config(drive.Keepalived, "d1", more), "real_server"); n != want {
			t.Errorf("keepalived: %d servers", n)
		}
	}
}

func TestOK(t *testing.T) {
	good := func() *Report {
		return &Report{
			LBHA:       []Sample{{Reload: 400 * time.Millisecond, Command: 500 * time.Millisecond, Repair: time.Second}},
			Keepalived: []Sample{{Reload: 20 * time.Second}},
			Huge:       Sample{Command: time.Second, Repair: time.Second},
		}
	}
	if !good().OK() {
		t.Error("a good report fails")
	}
	for name, spoil := range map[string]func(*Report){
		"slow command":    func(r *Report) { r.LBHA[0].Command = 1100 * time.Millisecond },
		"slow way":        func(r *Report) { r.LBHA[0].Reload = 1100 * time.Millisecond },
		"ratio":           func(r *Report) { r.Keepalived[0].Reload = 5 * time.Second },
		"no command":      func(r *Report) { r.LBHA[0].Command = 0 },
		"servers removed": func(r *Report) { r.LBHA[0].Lost = 1 },
		"not repaired":    func(r *Report) { r.Huge.Repair = 0 },
		"not measured":    func(r *Report) { r.LBHA = nil },
	} {
		r := good()
		spoil(r)
		if r.OK() {
			t.Errorf("%s: passes", name)
		}
	}
}
