package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// proposal is the hint for an unknown key of a table with the given raw shape.
func proposal(name string, shape reflect.Type) string {
	var names []string
	for i := range shape.NumField() {
		words := strings.Fields(shape.Field(i).Tag.Get("toml"))
		if len(words) == 0 {
			continue
		}
		if slices.Contains(words[1:], name) {
			return fmt.Sprintf("it is called %q here", words[0])
		}
		names = append(names, words[0])
	}
	return didYouMean(name, names)
}

// didYouMean is the hint for a name that is none of known.
func didYouMean(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// nearest returns the candidate that name is probably a typing error of, or "".
func nearest(name string, candidates []string) string {
	best, least := "", 1+max(1, len(name)/3)
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(c), least); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance counts the bytes to insert, delete, replace or swap with their neighbour to
// turn a into b (optimal string alignment). At limit or above it may stop counting.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	width := len(b) + 1
	rows := make([]int, (len(a)+1)*width)
	for i := range len(a) + 1 {
		for j := range len(b) + 1 {
			at := i*width + j
			switch {
			case i == 0 || j == 0:
				rows[at] = i + j
				continue
			case a[i-1] == b[j-1]:
				rows[at] = rows[at-width-1]
				continue
			}
			rows[at] = 1 + min(rows[at-width-1], rows[at-width], rows[at-1])
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[at] = min(rows[at], rows[at-2*width-2]+1)
			}
		}
	}
	return rows[len(rows)-1]
}
