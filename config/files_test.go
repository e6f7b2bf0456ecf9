package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/config"
)

func TestInclude(t *testing.T) {
	c := load(t, "testdata/include/main.toml")
	var got []string
	for _, in := range c.Instances {
		got = append(got, "vrrp "+in.Name)
	}
	for _, s := range c.Services {
		got = append(got, "service "+s.Name)
	}
	got = append(got, "name "+c.Global.Name, "metrics "+c.Global.Metrics)
	want := []string{"vrrp main", "vrrp a", "vrrp b", "service deep", "name lb1", "metrics :9112"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	files := []string{
		"testdata/include/main.toml", "testdata/include/conf.d/a.toml",
		"testdata/include/conf.d/b.toml", "testdata/include/conf.d/deep/c.toml",
	}
	if diff := cmp.Diff(files, c.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestUnreadable loads what is no regular file, or too large. None may block.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 1<<30); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "absent"): "absent: cannot be read: no such file or directory",
		dir:                          "cannot be read: not a regular file",
		pipe:                         "pipe: cannot be read: not a regular file",
		"/dev/zero":                  "/dev/zero: cannot be read: not a regular file",
		large:                        "large: cannot be read: larger than 16777216 bytes",
	} {
		if _, err := config.Load(path); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("Load(%s) = %v, want %s", path, err, want)
		}
	}
}

// TestParseReadsNothing holds that a text alone opens no file.
func TestParseReadsNothing(t *testing.T) {
	_, err := config.Parse("text", []byte("include = [\"*.toml\"]\n"+
		"[[vrrp]]\nname = \"web\"\ninterface = \"eth0\"\nid = 51\nversion = 2\naddresses = [\"10.9.0.100\"]\n"+
		"auth = { type = \"pass\", key_file = \"/etc/hostname\" }\n"))
	want := "text:1:12: include: \"*.toml\": a text alone reads no files\n" +
		"text:8:36: key_file: /etc/hostname cannot be read: a text alone reads no files"
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}
