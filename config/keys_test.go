package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKeyFile holds that a key may stand in a file, found beside the configuration, and
// that others should not be able to read it.
func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil { // whatever the umask is
			t.Fatal(err)
		}
		return file
	}
	file := write("lbha.toml", "[[vrrp]]\nname = \"web\"\ninterface = \"eth0\"\nid = 51\nversion = 2\naddresses = [\"10.9.0.100\"]\n"+
		"auth = { type = \"pass\", key_file = \"key\" }\n", 0o600)
	for mode, want := range map[os.FileMode]string{
		0o600: "",
		0o644: file + ":7:36: warning: key_file: key can be read by others than its owner (mode 0644)",
	} {
		write("key", "secret12\n", mode)
		c := load(t, file)
		if key := c.Instances[0].Auth.Key.Reveal(); key != "secret12" {
			t.Errorf("key = %q", key)
		}
		if got := c.Warnings.Error(); got != want {
			t.Errorf("mode %04o: %q, want %q", mode, got, want)
		}
	}
}

// TestKeysOfHMAC holds where keys may stand, and what the other settings of hmac are then.
func TestKeysOfHMAC(t *testing.T) {
	dir := t.TempDir()
	text, digits := strings.Repeat("k", 32), "hex:"+strings.Repeat("0fF0", 16)
	for name, content := range map[string]string{"file": text + "\r\n", "credential": digits + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	for _, c := range []struct{ auth, want string }{
		{`key = "` + text + `"`, "1:" + text + " active 1 enforce time 5s"},
		{`key_file = "file"`, "1:" + text + " active 1 enforce time 5s"},
		{`credential = "credential", mode = "permissive"`, "1:" + strings.Repeat("\x0f\xf0", 16) + " active 1 permissive time 5s"},
		{`keys = [{ id = 7, key = "` + text + `" }], window = "9s"`, "7:" + text + " active 7 enforce time 9s"},
		{`keys = [{ id = 7, key_file = "file" }, { id = 9, credential = "credential" }], active = 9, replay = "monotonic"`,
			"7:" + text + " 9:" + strings.Repeat("\x0f\xf0", 16) + " active 9 enforce monotonic 0s"},
	} {
		file := filepath.Join(dir, "lbha.toml")
		if err := os.WriteFile(file, []byte("[[vrrp]]\nname = \"web\"\ninterface = \"eth0\"\nid = 51\naddresses = [\"10.9.0.100\"]\n"+
			"auth = { type = \"hmac\", "+c.auth+" }\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg := load(t, file)
		a := cfg.Instances[0].Auth
		var got strings.Builder
		for _, k := range a.Keys {
			fmt.Fprintf(&got, "%d:%s ", k.ID, k.Bytes())
		}
		fmt.Fprintf(&got, "active %d %s %s %s", a.Active, a.Mode, a.Replay, a.Window)
		if got.String() != c.want || !a.Key.IsZero() {
			t.Errorf("%s: %q, want %q", c.auth, got.String(), c.want)
		}
		if printed := fmt.Sprintf("%v %+v", cfg.Instances[0], cfg.Warnings); strings.Contains(printed, text) {
			t.Errorf("%s: printing shows the key: %s", c.auth, printed)
		}
	}
}

// TestWindow holds that the window of hmac follows the interval.
func TestWindow(t *testing.T) {
	for interval, want := range map[string]time.Duration{
		"10ms": 5 * time.Second, "1s": 5 * time.Second, "1.67s": 6 * time.Second, "2s": 6 * time.Second, "40.95s": 123 * time.Second,
	} {
		c := parse(t, "[[vrrp]]\nname = \"web\"\ninterface = \"eth0\"\nid = 51\naddresses = [\"10.9.0.100\"]\ninterval = \""+interval+"\"\n"+
			"auth = { type = \"hmac\", key = \""+strings.Repeat("k", 32)+"\" }\n")
		if got := c.Instances[0].Auth.Window; got != want {
			t.Errorf("interval %s: window %s, want %s", interval, got, want)
		}
	}
}
