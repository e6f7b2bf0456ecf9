package config

import (
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// TestCheckProgram holds that a program is run only if nobody but root and us can change
// what is run, whichever way leads to it.
func TestCheckProgram(t *testing.T) {
	root := fstest.MapFS{}
	put := func(name string, mode fs.FileMode, uid uint32, content string) {
		root[name] = &fstest.MapFile{Mode: mode, Data: []byte(content), Sys: &syscall.Stat_t{Uid: uid}}
	}
	put(".", fs.ModeDir|0o755, 0, "")
	for _, dir := range []string{"usr", "usr/bin", "home", "etc"} {
		put(dir, fs.ModeDir|0o755, 0, "")
	}
	put("home/user", fs.ModeDir|0o755, 12345, "")
	put("tmp", fs.ModeDir|fs.ModeSticky|0o777, 0, "")
	put("group", fs.ModeDir|0o775, 0, "")
	put("usr/bin/good", 0o755, 0, "")
	put("usr/bin/data", 0o644, 0, "")
	put("usr/bin/writable", 0o775, 0, "")
	put("usr/bin/others", 0o755, 12345, "")
	put("home/user/check", 0o755, 0, "")
	put("tmp/check", 0o755, 0, "")
	put("group/check", 0o755, 0, "")
	put("bin", fs.ModeSymlink|0o777, 0, "usr/bin")
	put("etc/alternative", fs.ModeSymlink|0o777, 0, "/bin/good")
	put("usr/bin/up", fs.ModeSymlink|0o777, 0, "../../etc/alternative")
	put("usr/bin/hop", fs.ModeSymlink|0o777, 0, "/tmp/link")
	put("tmp/link", fs.ModeSymlink|0o777, 0, "/usr/bin/good")
	put("loop", fs.ModeSymlink|0o777, 0, "loop")
	put("dangling", fs.ModeSymlink|0o777, 0, "nowhere")

	var got strings.Builder
	for _, program := range []string{
		"/usr/bin/good", "//usr/./bin//good", "/bin/good", "/bin/up", "/bin/../bin/good",
		"/usr/bin/data", "/usr/bin", "/", "/usr/bin/absent", "/dangling", "/loop",
		"/usr/bin/writable", "/usr/bin/others", "/home/user/check", "/tmp/check", "/tmp/../usr/bin/good", "/group/check", "/usr/bin/hop",
	} {
		fmt.Fprintf(&got, "%s: %v\n", program, checkProgram(root, program))
	}
	want := `/usr/bin/good: <nil>
//usr/./bin//good: <nil>
/bin/good: <nil>
/bin/up: <nil>
/bin/../bin/good: <nil>
/usr/bin/data: it is not executable (mode 0644)
/usr/bin: it is not a regular file
/: it is not a regular file
/usr/bin/absent: file does not exist
/dangling: file does not exist
/loop: too many symbolic links
/usr/bin/writable: others than its owner can write to /usr/bin/writable (mode 0775)
/usr/bin/others: /usr/bin/others belongs to another user (uid 12345)
/home/user/check: /home/user belongs to another user (uid 12345)
/tmp/check: others than its owner can write to /tmp (mode 0777)
/tmp/../usr/bin/good: others than its owner can write to /tmp (mode 0777)
/group/check: others than its owner can write to /group (mode 0775)
/usr/bin/hop: others than its owner can write to /tmp (mode 0777)
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
