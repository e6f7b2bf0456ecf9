package main

import (
	"testing"
	"time"
)

func TestAge(t *testing.T) {
	now := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0:                         "0s",
		12*time.Millisecond + 345: "12ms",
		1234 * time.Millisecond:   "1.2s",
		time.Minute:               "1m",
		70 * time.Second:          "1m10s",
		20 * time.Minute:          "20m",
		time.Hour:                 "1h0m",
		time.Hour + time.Second:   "1h0m1s",
		23*time.Hour + 30*time.Minute + 30*time.Second: "23h30m30s",
		49 * time.Hour: "2d1h",
	} {
		if got := age(now, now.Add(-d)); got != want {
			t.Errorf("age of %v is %q, want %q", d, got, want)
		}
	}
	if got := age(now, time.Time{}); got != "-" {
		t.Errorf("age of never is %q", got)
	}
}
