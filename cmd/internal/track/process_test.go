package track

import (
	"os"
	"path/filepath"
	"testing"
)

// TestNamed tells processes from each other by an imitation of /proc.
func TestNamed(t *testing.T) {
	type process struct{ comm, cmdline, stat, exe string }
	dir := t.TempDir()
	for n, c := range []struct {
		name string
		process
		want bool
	}{
		{"nginx", process{"nginx\n", "nginx: master process\x00", "7 (nginx) S 1", ""}, true},
		{"nginx", process{"nginx\n", "", "7 (nginx) Z 1", ""}, false},
		{"nginx", process{"nginx-debug\n", "", "7 (nginx-debug) S 1", ""}, false},
		{"ngin", process{"nginx\n", "", "7 (nginx) S 1", ""}, false},
		{"a) Z (b", process{"a) Z (b\n", "", "7 (a) Z (b) R 1", ""}, true},
		{"a b\nc", process{"a b\nc\n", "", "7 (a b\nc) D 1", ""}, true},
		{"exactly-15-long", process{"exactly-15-long\n", "", "7 (exactly-15-long) S 1", ""}, true},
		{"systemd-networkd", process{"systemd-network\n", "/usr/lib/systemd/systemd-networkd\x00-v\x00", "7 (systemd-network) S 1", ""}, true},
		{"systemd-networkd", process{"systemd-network\n", "/usr/lib/systemd/systemd-network-generator\x00", "7 (systemd-network) S 1", ""}, false},
		{"long-name-of-a-script", process{"long-name-of-a-\n", "/bin/sh\x00/usr/bin/long-name-of-a-script\x00", "7 (long-name-of-a-) S 1", ""}, true},
		{"long-name-of-a-script", process{"long-name-of-a-\n", "/bin/sh\x00-x\x00long-name-of-a-script\x00", "7 (long-name-of-a-) S 1", ""}, false},
		{"/usr/sbin/nginx", process{"nginx\n", "", "7 (nginx) S 1", "/usr/sbin/nginx"}, true},
		{"/usr/sbin/nginx", process{"nginx\n", "", "7 (nginx) S 1", "/usr/sbin/nginx (deleted)"}, true},
		{"/usr/sbin/nginx", process{"nginx\n", "", "7 (nginx) S 1", "/opt/nginx"}, false},
		{"/usr/sbin/nginx", process{"nginx\n", "", "7 (nginx) X 1", "/usr/sbin/nginx"}, false},
		{"gone", process{}, false},
	} {
		at := filepath.Join(dir, string(rune('a'+n)))
		if err := os.Mkdir(at, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, content := range map[string]string{"comm": c.comm, "cmdline": c.cmdline, "stat": c.stat} {
			if c.comm != "" {
				write(t, filepath.Join(at, file), content)
			}
		}
		if c.exe != "" {
			if err := os.Symlink(c.exe, filepath.Join(at, "exe")); err != nil {
				t.Fatal(err)
			}
		}
		if got := named(at, c.name); got != c.want {
			t.Errorf("%q is %q: %v, want %v", c.process, c.name, got, c.want)
		}
	}
}

// FuzzRunning holds that no content of a stat file is a process unless it has a state.
func FuzzRunning(f *testing.F) {
	for _, seed := range []string{"7 (nginx) S 1", "7 (a) Z (b) R 1", "", ")", ") ", "7 (x) Z"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stat []byte) {
		if running(stat) && len(stat) < 2 {
			t.Errorf("%q runs", stat)
		}
	})
}
