package sandbox

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMain lets the test's own binary be the first process of a world, and its job.
func TestMain(m *testing.M) {
	switch {
	case IsInit():
		Init()
	case len(os.Args) == 3 && os.Args[1] == JobCommand:
		if err := RunJob(os.Args[2], map[string]Job{"look": look}); err != nil {
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

// view is what a job sees around itself.
type view struct {
	Kind       Kind
	Parent     int // process number of its parent
	Interfaces string
	Wrote      string // what could be written where the host must not notice
}

func look(_ context.Context, in *Inside) (any, error) {
	Say("inside %s", in.Kind)
	v := view{Kind: in.Kind, Parent: os.Getppid()}
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback != 0 {
			names = append(names, i.Name)
		} else if i.Flags&net.FlagUp != 0 {
			names = append(names, "up: "+i.Name)
		}
	}
	v.Interfaces = strings.Join(names, " ")
	for _, path := range []string{"/var/log/lab-trace", "/run/lab-trace", filepath.Join(in.Work, "shared")} {
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			return nil, err
		}
		v.Wrote += strings.TrimPrefix(path, in.Work) + " "
	}
	return v, nil
}

// TestHostWorld enters a world on the running kernel, and looks around there. The other kind runs whenever the lab does where there is no
// IPVS.
func TestHostWorld(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("namespaces need root")
	}
	want := view{Kind: Host, Parent: 1, Interfaces: "lo", Wrote: "/var/log/lab-trace /run/lab-trace /shared "}
	var lines []string
	w := &World{
		Kind: Host, Work: t.TempDir(), Deadline: time.Minute, Job: "look",
		Progress: func(line string) { lines = append(lines, line) },
	}
	var got view
	if err := w.Run(context.Background(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"inside host"}, lines); diff != "" {
		t.Error(diff)
	}
	for _, path := range []string{"/var/log/lab-trace", "/run/lab-trace"} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is on the host", path)
		}
	}
	if _, err := os.Stat(filepath.Join(w.Work, "shared")); err != nil {
		t.Errorf("what the job left in its work directory did not arrive: %v", err)
	}
}
