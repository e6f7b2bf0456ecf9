package script

import (
	"strings"
	"testing"
)

// Whatever the seed, the scenario is in the language and makes sense; the same seed gives the same one.
func TestRandom(t *testing.T) {
	drawn := map[string]int{}
	for seed := range uint64(2000) {
		text := Random(seed)
		if text != Random(seed) {
			t.Fatalf("seed %d gives two scenarios", seed)
		}
		s, err := Parse("random.scenario", text)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		for _, step := range s.Steps {
			drawn[strings.Fields(step.Form)[0]]++
		}
	}
	for _, verb := range []string{"kill", "stop", "start", "pause", "cut", "loss", "delay", "link", "heal", "reload", "clear", "flood"} {
		if drawn[verb] < 50 {
			t.Errorf("%s was drawn %d times in 2000 scenarios", verb, drawn[verb])
		}
	}
}
