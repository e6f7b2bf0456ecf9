package observe

import (
	"fmt"
	"testing"
)

func TestJournalKeepsTheNewest(t *testing.T) {
	j := NewJournal(4)
	render := func(events []Event) (s string) {
		for _, e := range events {
			s += fmt.Sprintf("%d:%s ", e.Seq, e.Message)
		}
		return s
	}
	if got := render(j.Since(0, 0)); got != "" {
		t.Fatalf("an empty journal holds %q", got)
	}
	for i := 1; i <= 3; i++ {
		j.Add(Event{Message: fmt.Sprint("e", i)})
	}
	if got, want := render(j.Since(0, 0)), "1:e1 2:e2 3:e3 "; got != want {
		t.Errorf("three of four: %q, want %q", got, want)
	}
	for i := 4; i <= 9; i++ {
		j.Add(Event{Message: fmt.Sprint("e", i)})
	}
	for _, test := range []struct {
		since uint64
		limit int
		want  string
	}{
		{0, 0, "6:e6 7:e7 8:e8 9:e9 "},
		{7, 0, "8:e8 9:e9 "},
		{0, 2, "8:e8 9:e9 "},
		{9, 0, ""},
		{50, 0, ""},
	} {
		if got := render(j.Since(test.since, test.limit)); got != test.want {
			t.Errorf("since %d, limit %d: %q, want %q", test.since, test.limit, got, test.want)
		}
	}
}
