package sandbox

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestModuleFiles(t *testing.T) {
	const index = `kernel/fs/overlayfs/overlay.ko:
kernel/net/netfilter/ipvs/ip_vs.ko: kernel/net/netfilter/nf_conntrack.ko kernel/net/ipv4/netfilter/nf_defrag_ipv4.ko
kernel/net/netfilter/ipvs/ip_vs_rr.ko: kernel/net/netfilter/ipvs/ip_vs.ko
`
	tests := []struct {
		name string
		want []string
	}{
		{"overlay", []string{"kernel/fs/overlayfs/overlay.ko"}},
		{"ip_vs", []string{"kernel/net/ipv4/netfilter/nf_defrag_ipv4.ko", "kernel/net/netfilter/nf_conntrack.ko", "kernel/net/netfilter/ipvs/ip_vs.ko"}},
		{"ip", nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, moduleFiles(index, tt.name)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// world is a world whose inside is a shell script instead of this program.
func world(t *testing.T, script string) (*World, *exec.Cmd) {
	t.Helper()
	w := &World{Kind: Host, Work: t.TempDir(), Deadline: 10 * time.Second}
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = w.Work
	cmd.SysProcAttr = w.namespaces().SysProcAttr
	cmd.SysProcAttr.Cloneflags = 0 // the script needs no namespaces, and the test no privileges
	return w, cmd
}

func TestSupervise(t *testing.T) {
	w, cmd := world(t, `echo 'boot talk'; printf 'lab| one\r\n'; echo '[  1.0] lab| two'; echo '{"result":[1,2],"error":"it broke"}' > result.json`)
	var lines []string
	w.Progress = func(line string) { lines = append(lines, line) }
	if err := w.supervise(context.Background(), cmd); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "two"}, lines); diff != "" {
		t.Error(diff)
	}
	if got := w.log.String(); got != "boot talk\n" {
		t.Errorf("log %q", got)
	}
	var result []int
	if err := w.collect(&result); err == nil || err.Error() != "it broke" || len(result) != 2 {
		t.Errorf("result %v, error %v", result, err)
	}
}

func TestSuperviseKillsAtTheDeadline(t *testing.T) {
	w, cmd := world(t, `echo last words; sleep 60 & sleep 60`)
	ctx, cancel := context.WithTimeoutCause(context.Background(), 300*time.Millisecond, ErrDeadline)
	defer cancel()
	begin := time.Now()
	err := w.supervise(ctx, cmd)
	if !errors.Is(err, ErrDeadline) || !strings.Contains(err.Error(), "last words") {
		t.Errorf("error %v, want the deadline and the end of the console", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestCollectWithoutAnAnswer(t *testing.T) {
	w, cmd := world(t, `echo kernel panic; exit 0`)
	if err := w.supervise(context.Background(), cmd); err != nil {
		t.Fatal(err)
	}
	if err := w.collect(nil); err == nil || !strings.Contains(err.Error(), "kernel panic") {
		t.Errorf("error %v, want what the console said last", err)
	}
}

func TestRunJob(t *testing.T) {
	work := t.TempDir()
	w := &World{Kind: Host, Work: work, Job: "double", Arg: 21}
	if err := w.prepare(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(work, initName)); err != nil {
		t.Errorf("the program is not in the work directory: %v", err)
	}
	jobs := map[string]Job{"double": func(_ context.Context, in *Inside) (any, error) {
		if string(in.Arg) != "21" || in.Work != work {
			t.Errorf("inside: %s, %s", in.Arg, in.Work)
		}
		return 42, nil
	}}
	if err := RunJob(work, jobs); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := w.collect(&n); err != nil || n != 42 {
		t.Errorf("%d, %v", n, err)
	}
	if err := RunJob(work, nil); err == nil {
		t.Error("an unknown job runs")
	}
}
