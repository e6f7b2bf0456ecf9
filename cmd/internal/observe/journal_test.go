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

func TestAJournalGoesOn(t *testing.T) {
	render := func(events []Event) (s string) {
		for _, e := range events {
			s += fmt.Sprintf("%d:%s ", e.Seq, e.Message)
		}
		return s
	}
	for _, test := range []struct {
		former []uint64
		want   string
	}{
		{nil, "1:new "},
		{[]uint64{7, 8}, "7:e0 8:e1 9:new "},
		{[]uint64{5, 7, 9}, "7:e0 8:e1 9:e2 10:new "}, // of those between nothing is known
		{[]uint64{1, 2, 3, 4, 5, 6}, "4:e3 5:e4 6:e5 7:new "},
		{[]uint64{0, 0}, "1:e0 2:e1 3:new "},
		{[]uint64{3, 1 << 63}, "1:e0 2:e1 3:new "},
	} {
		var events []Event
		for i, seq := range test.former {
			events = append(events, Event{Seq: seq, Message: fmt.Sprint("e", i)})
		}
		j := NewJournal(4)
		j.Restore(events)
		j.Add(Event{Message: "new"})
		if got := render(j.Since(0, 0)); got != test.want {
			t.Errorf("after %d: %q, want %q", test.former, got, test.want)
		}
	}
}
