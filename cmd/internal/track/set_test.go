package track

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lbha/lbha/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watching runs a set over the tracks of one instance.
func watching(t *testing.T, tracks ...config.Track) *Set {
	t.Helper()
	s := NewSet()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if err := s.Update(ctx, []config.Instance{{Name: "web", Tracks: tracks}}); err != nil {
		t.Fatal(err)
	}
	return s
}

// await waits until the reading of a track, in words, is what is wanted.
func (s *Set) await(t *testing.T, track config.Track, want string) Reading {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		r := s.Look(&track)
		got := fmt.Sprintf("%s %d %s", r.State, r.Weight, r.Reason)
		if r.Trouble != "" {
			got += "; " + r.Trouble
		}
		if strings.HasPrefix(got, want) {
			return r
		}
		select {
		case <-s.Changed():
		case <-timeout:
			t.Fatalf("%s is %q, want %q", track.Target, got, want)
		}
	}
}

func runs(track config.Track, line string) config.Track {
	track.Kind, track.Target, track.Args = config.TrackScript, "/bin/sh", []string{"-c", line}
	track.Interval, track.Rise, track.Fall = max(track.Interval, 20*time.Millisecond), max(track.Rise, 1), max(track.Fall, 1)
	if track.Timeout == 0 {
		track.Timeout = 20 * time.Second
	}
	return track
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAScriptRisesAndFalls(t *testing.T) {
	dir := t.TempDir()
	flag, log := filepath.Join(dir, "flag"), filepath.Join(dir, "log")
	write(t, flag, "0")
	track := runs(config.Track{Rise: 3, Fall: 2}, fmt.Sprintf("s=$(cat %s); echo $s >>%s; echo it is $s; exit $s", flag, log))
	s := watching(t, track)
	s.await(t, track, "good 0 exit status 0 after ")
	for _, c := range []struct {
		status string
		times  int
		want   string
	}{{"3", 2, "bad 0 exit status 3 after "}, {"0", 3, "good 0 exit status 0 after "}} {
		write(t, flag, c.status)
		r := s.await(t, track, c.want)
		if !strings.HasSuffix(r.Reason, ": it is "+c.status) {
			t.Errorf("reason %q does not end with what the script said", r.Reason)
		}
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		// It may have run again before we looked.
		if n := len(string(text)) - len(strings.TrimRight(string(text), c.status+"\n")); n < 2*c.times {
			t.Errorf("%s after %d results, want %d", c.want, n/2, c.times)
		}
	}
}

func TestAStuckScriptFailsAtItsDeadline(t *testing.T) {
	track := runs(config.Track{Timeout: 300 * time.Millisecond}, "echo waiting; exec sleep 1000")
	s := watching(t, track)
	s.await(t, track, "bad 0 killed at its deadline after ")
}

func TestAScriptThatCannotRunIsNotAFailure(t *testing.T) {
	track := runs(config.Track{}, "exit 0")
	track.Target = "/usr/absent"
	s := watching(t, track)
	s.await(t, track, "unknown 0 cannot be run: no such file or directory")
}

// TestTooFewSuccessesAreNoTrouble holds that a script that has succeeded, but not as often as it must, is not said to be one
// of which nothing can be known.
func TestTooFewSuccessesAreNoTrouble(t *testing.T) {
	ran := filepath.Join(t.TempDir(), "ran")
	track := runs(config.Track{Rise: 2, Weight: 9}, fmt.Sprintf("test ! -e %[1]s || exec sleep 1000; touch %[1]s", ran))
	s := watching(t, track)
	deadline := time.Now().Add(30 * time.Second)
	r := s.Look(&track)
	for ; r.State == Pending && time.Now().Before(deadline); r = s.Look(&track) {
		time.Sleep(5 * time.Millisecond)
	}
	if w := Weigh(&track, r); w.State != Undecided || !strings.HasPrefix(w.Reason, "exit status 0 after ") || w.Adjust != 0 {
		t.Errorf("after the first of two successes: %v %+v", w.State, w)
	}
}

func TestAFileIsFollowed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "weight")
	track := config.Track{Kind: config.TrackFile, Target: path}
	s := watching(t, track)
	s.await(t, track, "good 0 there is no such file")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, path, "10\n") // in a directory that could not be watched until now
	s.await(t, track, "good 10 the content is 10")
	// A second later at the latest the directory is watched: from here on it is told at once, and each step is one way
	// to change a file.
	time.Sleep(unwatchedPoll)
	steps := []struct {
		name string
		do   func() error
		want string
	}{
		{"written anew", func() error { return os.WriteFile(path, []byte("-20"), 0o644) }, "good -20 the content is -20"},
		{"garbage", func() error { return os.WriteFile(path, []byte("much"), 0o644) }, "good -20 the content is -20; the content is not a whole number from -254 to 254: \"much\""},
		{"emptied", func() error { return os.Truncate(path, 0) }, "good -20 the content is -20; the content is not"},
		{"too long", func() error { return os.WriteFile(path, []byte(strings.Repeat(" ", 100)+"1"), 0o644) }, "good -20 the content is -20; it has more than 64 bytes"},
		{"replaced", func() error {
			if err := os.WriteFile(path+".new", []byte("30"), 0o644); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		}, "good 30 the content is 30"},
		{"renamed away", func() error { return os.Rename(path, path+".old") }, "good 0 there is no such file"},
		{"linked", func() error { return os.Symlink(path+".old", path) }, "good 30 the content is 30"},
		{"deleted", func() error { return os.Remove(path) }, "good 0 there is no such file"},
		{"a directory", func() error { return os.Mkdir(path, 0o755) }, "good 0 there is no such file; it is not a regular file"},
		{"back", func() error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.WriteFile(path, []byte("5"), 0o644)
		}, "good 5 the content is 5"},
		{"its directory moved away", func() error { return os.Rename(filepath.Dir(path), filepath.Join(dir, "away")) }, "good 0 there is no such file"},
		{"its directory back", func() error { return os.Rename(filepath.Join(dir, "away"), filepath.Dir(path)) }, "good 5 the content is 5"},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		s.await(t, track, step.want)
	}
}

// TestAFileIsFollowedAtOnce holds that it is inotify that tells, and not the poll behind it.
func TestAFileIsFollowedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weight")
	write(t, path, "0")
	track := config.Track{Kind: config.TrackFile, Target: path}
	s := watching(t, track)
	s.await(t, track, "good 0 the content is 0")
	start := time.Now()
	const changes = 20
	for n := 1; n <= changes; n++ {
		write(t, path, fmt.Sprint(n))
		s.await(t, track, fmt.Sprintf("good %d ", n))
	}
	if took := time.Since(start); took > changes*watchedPoll/4 {
		t.Errorf("%d changes were seen after %v: by the poll", changes, took)
	}
}

func TestAProcessIsFollowed(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lbhatracked", "lbha-tracked-with-a-long-name"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, binary, 0o755); err != nil {
				t.Fatal(err)
			}
			byName := config.Track{Kind: config.TrackProcess, Target: name}
			byPath := config.Track{Kind: config.TrackProcess, Target: path}
			s := watching(t, byName, byPath)
			start := func() *exec.Cmd {
				cmd := exec.Command(path, "1000")
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
				return cmd
			}
			end := func(cmd *exec.Cmd) { // and nobody asks how: it is a zombie
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			s.await(t, byName, "bad 0 no process of that name")
			first, second := start(), start()
			s.await(t, byName, "good 0 ")
			s.await(t, byPath, "good 0 ")
			end(first)
			end(second)
			s.await(t, byName, "good 0 ") // until it is sure
			s.await(t, byName, "bad 0 no process of that name")
			s.await(t, byPath, "bad 0 no process of that name")
			third := start()
			s.await(t, byName, "good 0 1 process")
			end(third)
			s.await(t, byName, "bad 0 no process of that name")
		})
	}
}

// TestWhatStaysIsNotDisturbed holds that an update leaves what is looked at before and after it alone.
func TestWhatStaysIsNotDisturbed(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	stays := runs(config.Track{Interval: time.Hour, Weight: -10}, "echo run >>"+log)
	path := filepath.Join(t.TempDir(), "weight")
	write(t, path, "7")
	file := config.Track{Kind: config.TrackFile, Target: path}
	s := watching(t, stays, file)
	s.await(t, stays, "good")
	before := s.await(t, file, "good 7")
	stays.Weight = -20 // is no matter of looking
	comes := runs(config.Track{}, "exit 1")
	if err := s.Update(t.Context(), []config.Instance{{Tracks: []config.Track{stays}}, {Tracks: []config.Track{file, stays, comes}}}); err != nil {
		t.Fatal(err)
	}
	s.await(t, comes, "bad")
	if r := s.Look(&stays); r.State != Good {
		t.Errorf("the script is %v", r)
	}
	if r := s.Look(&file); r != before {
		t.Errorf("the file is %v, and was %v", r, before)
	}
	if text, err := os.ReadFile(log); err != nil || string(text) != "run\n" {
		t.Errorf("the script ran: %q, %v; want once", text, err)
	}
	if err := s.Update(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []config.Track{stays, file, comes} {
		if r := s.Look(&gone); r.State != Pending {
			t.Errorf("%s is gone, and %v", gone.Kind, r)
		}
	}
}
