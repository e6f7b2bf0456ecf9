package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
)

// render writes diagnostics with their paths.
func render(ds config.Diagnostics) string {
	var b strings.Builder
	for _, d := range ds {
		fmt.Fprintln(&b, d)
		if d.Path != "" {
			fmt.Fprintf(&b, "\tat %s\n", d.Path)
		}
	}
	return b.String()
}

// TestBad loads files with one fault each, and one with many.
func TestBad(t *testing.T) {
	files, _ := filepath.Glob("testdata/bad/*.toml")
	if len(files) < 40 {
		t.Fatalf("%d files in testdata/bad", len(files))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".toml")
		t.Run(name, func(t *testing.T) {
			c, err := config.Load(file)
			ds, ok := errors.AsType[config.Diagnostics](err)
			if c != nil || !ok {
				t.Fatalf("Load = %v, %v; want Diagnostics", c, err)
			}
			if len(ds) != 1 && name != "many" {
				t.Errorf("%d findings, want the one that the file is about:\n%v", len(ds), err)
			}
			config.Golden(t, strings.TrimSuffix(file, ".toml")+".golden", render(ds))
		})
	}
}

// TestWarnings loads files that are legal but probably not meant.
func TestWarnings(t *testing.T) {
	files, _ := filepath.Glob("testdata/warn/*.toml")
	if len(files) == 0 {
		t.Fatal("no files in testdata/warn")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".toml"), func(t *testing.T) {
			c, err := config.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			config.Golden(t, strings.TrimSuffix(file, ".toml")+".golden", render(c.Warnings))
		})
	}
}

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

// TestSurface loads the reference of all names and shapes, and says which of them this
// version cannot run.
func TestSurface(t *testing.T) {
	c := load(t, "testdata/surface.toml")
	for _, w := range c.Warnings { // its programs need not be there to load it
		if !strings.HasSuffix(w.Message, " is not there yet") {
			t.Error(w)
		}
	}
	config.Golden(t, "testdata/surface.json.golden", indent(t, []any{c.Global, c.Instances, c.Groups, c.Services}))

	const reference = "../../shared/config-surface.toml"
	if text, err := os.ReadFile(reference); err == nil {
		ours, err := os.ReadFile("testdata/surface.toml")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(text), string(ours)); diff != "" {
			t.Errorf("testdata/surface.toml is no longer %s (-reference +ours):\n%s", reference, diff)
		}
	}
}

// TestExamples loads what is shipped as an example: it must run as it stands.
func TestExamples(t *testing.T) {
	files, _ := filepath.Glob("../examples/*.toml")
	pair, _ := filepath.Glob("../examples/containerlab/*.toml")
	files = append(files, pair...)
	if len(files) < 6 {
		t.Fatalf("%d files in examples", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c := load(t, file)
			if len(c.Warnings) > 0 {
				t.Errorf("an example must need no warning:\n%s", render(c.Warnings))
			}
		})
	}
}

func TestMinimal(t *testing.T) {
	c, err := config.Parse("minimal", []byte(config.Minimal))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("findings:\n%s", render(c.Warnings))
	}
	if plan := config.Compare(c, load(t, "../examples/minimal.toml")); !plan.Empty() {
		t.Errorf("examples/minimal.toml says something else:\n%s", plan)
	}
}

// TestHash holds that the hash is about the content, not about the text.
func TestHash(t *testing.T) {
	const same = "# a comment\nvrrp = [{ id = 51, interface = 'eth0', name = \"we\\u0062\", version = 3, addresses = [ '10.9.0.100' ] }]\n"
	const text = "[[vrrp]]\nname = \"web\"\ninterface = \"eth0\"\nid = 51\naddresses = [\"10.9.0.100/32\"]\n"
	a, b, c := parse(t, text), parse(t, same), parse(t, text+"priority = 101\n")
	if a.Hash != b.Hash {
		t.Errorf("one content, two hashes:\n%s\n%s", indent(t, a), indent(t, b))
	}
	if a.Hash == c.Hash {
		t.Error("two contents, one hash")
	}
}

// TestInstanceJSON holds that an instance survives the way to the elector.
func TestInstanceJSON(t *testing.T) {
	c := load(t, "testdata/instances.toml")
	text, err := json.Marshal(c.Instances)
	if err != nil {
		t.Fatal(err)
	}
	var back []config.Instance
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c.Instances, back) {
		t.Errorf("changed on the way:\n%s\n%s", text, indent(t, back))
	}
	if back[0].Auth.Key.Reveal() != "secret12" {
		t.Errorf("key = %q", back[0].Auth.Key.Reveal())
	}
}

// TestInherit compares whole configurations, written with and without [defaults].
func TestInherit(t *testing.T) {
	files, _ := filepath.Glob("testdata/inherit/*.toml")
	if len(files) == 0 {
		t.Fatal("no files in testdata/inherit")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c := load(t, file)
			config.Golden(t, strings.TrimSuffix(file, ".toml")+".golden", indent(t, []any{c.Instances, c.Services}))
		})
	}
}

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

func TestDestination(t *testing.T) {
	key := ipvs.NewKey(ipvs.TCP, netip.MustParseAddrPort("10.9.0.100:443"))
	mark := ipvs.MarkKey(10, ipvs.IPv4)
	for _, c := range []struct {
		forward ipvs.Forward
		key     ipvs.Key
		server  string
		want    string
	}{
		{ipvs.NAT, key, "10.9.0.3:8443", "10.9.0.3:8443"},
		{ipvs.NAT, key, "10.9.0.3:0", "10.9.0.3:443"},
		{ipvs.DR, key, "10.9.0.3:80", "10.9.0.3:443"},
		{ipvs.TUN, key, "10.9.0.3:0", "10.9.0.3:443"},
		{ipvs.NAT, mark, "10.9.0.3:0", "10.9.0.3:0"},
		{ipvs.DR, mark, "10.9.0.3:80", "10.9.0.3:80"},
	} {
		s := config.Service{Forward: c.forward}
		if got := s.Destination(c.key, &config.Server{Address: netip.MustParseAddrPort(c.server)}); got.String() != c.want {
			t.Errorf("%s %s to %s: %s, want %s", c.forward, c.key, c.server, got, c.want)
		}
	}
}

// TestManyServers holds that a large configuration loads, and costs what its text does.
func TestManyServers(t *testing.T) {
	start := time.Now()
	c := parse(t, manyServers())
	if n := len(c.Services[999].Servers); n != 10 {
		t.Errorf("the last service has %d servers", n)
	}
	if d := time.Since(start); d > time.Minute { // hundreds of times what it takes: see BenchmarkLoad
		t.Errorf("10,000 servers took %v", d)
	}
}

// manyServers is a configuration of 1,000 services with 10 servers each.
func manyServers() string {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "[[service]]\nname = \"s%d\"\naddress = \"10.1.%d.%d:80\"\n[service.check]\ntype = \"tcp\"\n", i, i/250, i%250+1)
		for j := range 10 {
			fmt.Fprintf(&b, "[[service.server]]\naddress = \"10.2.%d.%d:80\"\nweight = %d\n", i/250*10+j, i%250+1, j+1)
		}
	}
	return b.String()
}

func load(t *testing.T, file string) *config.Config {
	t.Helper()
	c, err := config.Load(file)
	if err != nil {
		t.Fatalf("%s:\n%v", file, err)
	}
	return c
}

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("text", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func indent(t *testing.T, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// FuzzParse holds that no text makes Parse panic, that every finding lies in the text,
// and that a text which loads once loads again as the same.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.toml", "testdata/bad/*.toml", "testdata/inherit/*.toml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil {
				f.Add(text)
			}
		}
	}
	f.Add([]byte(config.Minimal))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := config.Parse("text", text)
		if err != nil {
			ds, ok := errors.AsType[config.Diagnostics](err)
			if !ok || len(ds) == 0 {
				t.Fatalf("%T: %v", err, err)
			}
			lines := bytes.Count(text, []byte("\n")) + 1
			for _, d := range ds {
				if d.Line < 1 || d.Line > lines || d.Column < 1 {
					t.Errorf("%d lines, and a finding at %s", lines, d)
				}
			}
			return
		}
		again, err := config.Parse("text", text)
		if err != nil || again.Hash != c.Hash || !config.Compare(c, again).Empty() {
			t.Errorf("loaded again: %v, %s", err, config.Compare(c, again))
		}
	})
}

// BenchmarkLoad loads 1,000 services with 10 servers each.
func BenchmarkLoad(b *testing.B) {
	text := []byte(manyServers())
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := config.Parse("text", text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompare compares two configurations of that size, which differ in one weight.
func BenchmarkCompare(b *testing.B) {
	text := manyServers()
	old, err := config.Parse("text", []byte(text))
	if err != nil {
		b.Fatal(err)
	}
	edited, err := config.Parse("text", []byte(strings.Replace(text, "weight = 5", "weight = 6", 1)))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if plan := config.Compare(old, edited); len(plan.Services) != 1 {
			b.Fatal(plan)
		}
	}
}
