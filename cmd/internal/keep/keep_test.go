package keep

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func open(t *testing.T, f *os.File) *Region {
	t.Helper()
	r, err := Open(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestRecordOutlivesItsWriter(t *testing.T) {
	f, err := Create("test", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	first := open(t, f)
	var got map[string]int
	if ok, err := first.Load(&got); ok || err != nil {
		t.Fatalf("an empty region loaded something: %v %v", got, err)
	}
	for i := range 5 {
		if err := first.Save(map[string]int{"n": i}); err != nil {
			t.Fatal(err)
		}
	}
	first.Clock(7).Store(1234)

	second := open(t, f) // the next life
	if ok, err := second.Load(&got); !ok || err != nil || got["n"] != 4 {
		t.Fatalf("loaded %v, %v, %v; want n = 4", got, ok, err)
	}
	if got := second.Clock(7).Load(); got != 1234 {
		t.Fatalf("clock 7 = %d, want 1234", got)
	}
}

func TestHalvesAreRegions(t *testing.T) {
	f, err := Create("test", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	first, second := open(t, f).Halves()
	large := strings.Repeat("x", 100<<10)
	for range 3 { // in both slots
		if err := errors.Join(first.Save("often"), second.Save(large)); err != nil {
			t.Fatal(err)
		}
	}
	first, second = open(t, f).Halves() // the next life
	var often, rare string
	if ok, err := first.Load(&often); !ok || err != nil || often != "often" {
		t.Fatalf("loaded %q, %v, %v", often, ok, err)
	}
	if ok, err := second.Load(&rare); !ok || err != nil || rare != large {
		t.Fatalf("loaded %d bytes, %v, %v", len(rare), ok, err)
	}
}

func TestADeathInTheMiddleOfAWriteKeepsTheOldRecord(t *testing.T) {
	f, err := Create("test", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := open(t, f)
	if err := r.Save("old"); err != nil {
		t.Fatal(err)
	}
	// What a writer does before the flip: everything in the other slot, here garbage.
	next := r.current().Load() + 1
	copy(r.mem[offSlots+int(next%2)*r.slot:], strings.Repeat("\xff", 64))
	var got string
	if ok, err := open(t, f).Load(&got); !ok || err != nil || got != "old" {
		t.Fatalf("loaded %q, %v, %v; want the old record", got, ok, err)
	}
}

func TestDamageIsAnErrorAndTooLargeLeavesTheOld(t *testing.T) {
	f, err := Create("test", 64<<10)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := open(t, f)
	if err := r.Save("small"); err != nil {
		t.Fatal(err)
	}
	if err := r.Save(strings.Repeat("x", 64<<10)); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("err = %v, want ErrTooLarge", err)
	}
	var got string
	if ok, err := r.Load(&got); !ok || err != nil || got != "small" {
		t.Fatalf("loaded %q, %v, %v", got, ok, err)
	}
	r.mem[offSlots+int(r.current().Load()%2)*r.slot+slotHeader] ^= 1
	if _, err := r.Load(&got); err == nil {
		t.Fatal("a damaged record was loaded")
	}
}
