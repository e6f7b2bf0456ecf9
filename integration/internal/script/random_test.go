package script

import (
	"strings"
	"testing"
)

// Whatever the seed, the scenario is in the language and makes sense; the same seed gives the same one.
func TestRandom(t *testing.T) {
	drawn := map[string]int{}
	for seed := range uint64(500) {
		spare := seed%2 == 1
		text := Random(seed, spare)
		if text != Random(seed, spare) {
			t.Fatalf("seed %d gives two scenarios", seed)
		}
		s, err := Parse("random.scenario", text)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		for _, step := range s.Steps {
			if spare && (step.Form == Kill || step.Form == Stop && step.Host()[0] == 'd') {
				t.Errorf("seed %d ends a process that it shall spare:\n%s", seed, text)
			}
			drawn[strings.Fields(step.Form)[0]]++
		}
	}
	for _, verb := range []string{"kill", "stop", "start", "pause", "cut", "loss", "delay", "link", "heal", "reload", "clear", "flood"} {
		if drawn[verb] < 10 {
			t.Errorf("%s was drawn %d times in 500 scenarios", verb, drawn[verb])
		}
	}
}
