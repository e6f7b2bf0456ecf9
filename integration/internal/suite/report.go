package suite

// Where is where a suite was played. Its report embeds it.
type Where struct {
	World  string `json:"world"`  // the kind of world, or the hosts of a real pair
	Kernel string `json:"kernel"` // release of its kernel
}

// PlayedIn notes the place.
func (w *Where) PlayedIn(world, kernel string) { *w = Where{World: world, Kernel: kernel} }

// Count returns how many results passed and failed.
func Count[T any](results []T, ok func(T) bool) (passed, failed int) {
	for _, r := range results {
		if ok(r) {
			passed++
		} else {
			failed++
		}
	}
	return passed, failed
}

// Outcomes says of each name whether every result of that name passed.
func Outcomes[T any](results []T, each func(T) (name string, ok bool)) map[string]bool {
	outcomes := make(map[string]bool)
	for _, r := range results {
		name, ok := each(r)
		met, known := outcomes[name]
		outcomes[name] = ok && (met || !known)
	}
	return outcomes
}

// Verdict is a result as reports print it.
func Verdict(ok bool) string {
	if ok {
		return "ok"
	}
	return "FAILED"
}
