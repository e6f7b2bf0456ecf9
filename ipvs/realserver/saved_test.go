package realserver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestStateOfOthers(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	s := New(f, dir)
	if _, err := s.Up(t.Context(), want(t, "192.0.2.1 dr")); err != nil {
		t.Fatal(err)
	}
	state := file(t, dir)
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.ReplaceAll(state, namespace(), "net:[1]"))
	if _, _, err := s.Down(t.Context()); err == nil || !strings.Contains(err.Error(), "belongs to another network namespace, net:[1]") {
		t.Errorf("another namespace: %v", err)
	}
	write(strings.ReplaceAll(state, bootID(), "another"))
	if _, _, err := s.Down(t.Context()); !errors.Is(err, ErrNothing) {
		t.Errorf("another boot: %v", err)
	}
	write(strings.ReplaceAll(state, "net/ipv4/conf/all/arp_ignore", "net/../kernel/core_pattern"))
	if _, _, err := s.Down(t.Context()); err == nil || !strings.Contains(err.Error(), "no sysctl of the network") {
		t.Errorf("a state that points elsewhere: %v", err)
	}
	write(state)
	if _, _, err := s.Down(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	other, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Millisecond)
	defer cancel()
	if _, err := New(f, dir).Up(ctx, want(t, "192.0.2.1 dr")); !errors.Is(err, context.DeadlineExceeded) || f.steps > 0 {
		t.Errorf("beside another process: %v", err)
	}
	other.Close()
	if _, err := New(f, dir).Up(t.Context(), want(t, "192.0.2.1 dr")); err != nil {
		t.Errorf("after it: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"boot":"b","namespace":"n","wanted":[{"vip":"192.0.2.1","mode":"dr","interface":"eth0","arp":"sysctl"}],"originals":[{"kind":"sysctl","name":"net/ipv4/conf/all/arp_ignore","was":"0","set":"1"},{"kind":"address","name":"192.0.2.1/32 dev lo","was":"absent","set":"present"}]}`))
	f.Add([]byte(`{"originals":[{"kind":"sysctl","name":"net/../kernel/x"}]}`))
	f.Add([]byte(`{"originals":[{"kind":"address","name":"192.0.2.1/32"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decode(data)
		if err != nil {
			return
		}
		h := newFake(t).host
		for _, st := range plan(s.Wanted, s, h) {
			if st.Kind == Sysctl && (!strings.HasPrefix(st.Name, "net/") || strings.Contains(st.Name, "..")) {
				t.Errorf("it would write %s", st.Name)
			}
			_ = st.String()
		}
	})
}
