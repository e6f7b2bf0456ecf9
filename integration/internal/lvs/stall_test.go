package lvs

import (
	"testing"
	"time"
)

func TestStalls(t *testing.T) {
	s := watchStalls()
	time.Sleep(30 * time.Millisecond)
	if d := s.end(); d < 0 || d > time.Minute {
		t.Errorf("late by %v", d)
	}
}
