package lvs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// findingBound is how long a director may take to find that the other synchronises otherwise: datagrams come as connections are made, and one a second
// is looked at.
const findingBound = 15 * time.Second

// disagree gives the backup another ID for synchronisation, and then another interface, while clients connect. The kernel says nothing of either; the
// backup must, and be content again afterwards.
func (s *session) disagree(ctx context.Context) error {
	if err := s.rest(ctx); err != nil {
		return err
	}
	for _, step := range []struct {
		name, want string
		set        settings
	}{
		{"the backup has another ID", "eth0 sync-id-differs", settings{syncID: 52}},
		{"the backup has its own again", "", settings{}},
		{"the backup is on another interface", "eth0 sync-interface-differs", settings{syncInterface: outside}},
		{"the backup is where it was", "", settings{}},
	} {
		d := s.directors[1]
		if err := d.ConfigureText(pairConfig("d2", 100, step.set)); err != nil {
			return err
		}
		if out, err := d.Reload(); err != nil {
			return errors.Join(err, errors.New(out))
		}
		took, got, err := s.finds(ctx, step.want)
		if err != nil {
			return err
		}
		want := step.want
		if want == "" {
			want = "nothing"
		}
		s.find(step.name+": it finds "+want, got == step.want, "%q after %.1f s", got, took.Seconds())
	}
	return s.rest(ctx)
}

// finds lets clients connect until the backup finds what is wanted of synchronisation.
func (s *session) finds(ctx context.Context, want string) (took time.Duration, got string, err error) {
	begin := time.Now()
	for time.Since(begin) < findingBound {
		t, err := s.converse(ctx, named("nat"), 20)
		if err != nil {
			return 0, "", err
		}
		pause(ctx, 2500*time.Millisecond) // the kernel keeps what it has to tell for two seconds
		t.end()
		if got, err = s.disagreement(); err != nil || got == want {
			return time.Since(begin), got, err
		}
	}
	return time.Since(begin), got, nil
}

// disagreement is what the backup finds of synchronisation: interface and word.
func (s *session) disagreement() (string, error) {
	out, err := s.directors[1].Ask("status", "--json")
	if err != nil {
		return "", err
	}
	var st struct {
		Findings []struct{ Object, Reason string }
	}
	if err := json.Unmarshal([]byte(out), &st); err != nil {
		return "", fmt.Errorf("decode the status of d2: %w", err)
	}
	for _, f := range st.Findings {
		switch f.Reason {
		case "sync-id-differs", "sync-interface-differs", "sync-id-shared":
			return f.Object + " " + f.Reason, nil
		}
	}
	return "", nil
}
