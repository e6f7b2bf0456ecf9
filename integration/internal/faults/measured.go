package faults

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Measurement is what a pair of another daemon did where the pair of lbha is proven: in the same scenario, judged by the same demands.
type Measurement struct {
	On      string  `json:"on"`      // the day
	Demands int     `json:"demands"` // how many there are
	Unmet   []Unmet `json:"unmet,omitempty"`
}

// Unmet is a demand that was not met, and what was measured instead.
type Unmet struct {
	Demand   string `json:"demand"`
	Measured string `json:"measured"`
}

//go:embed keepalived.json
var keepalivedText []byte

// Keepalived is what pairs of keepalived 2.2.7 were measured to do, by proof. The drill's --measured writes it.
func Keepalived() (map[string]Measurement, error) {
	var list map[string]Measurement
	if err := json.Unmarshal(keepalivedText, &list); err != nil {
		return nil, fmt.Errorf("measurements of keepalived: %w", err)
	}
	return list, nil
}

// Note adds measurements to a file of them, or replaces those of the same proofs.
func Note(path string, measured map[string]Measurement) error {
	list, err := read(path)
	if err != nil {
		return err
	}
	for proof, m := range measured {
		list[proof] = m
	}
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// read reads such a file; one that is not there has none.
func read(path string) (map[string]Measurement, error) {
	list := map[string]Measurement{}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return list, nil
	case err != nil:
		return nil, err
	}
	return list, json.Unmarshal(text, &list)
}

// mostUnmet is how many demands of a scenario that were not met a reader is told of.
const mostUnmet = 2

// String is a measurement in a cell of the page.
func (m Measurement) String() string {
	if len(m.Unmet) == 0 {
		return fmt.Sprintf("meets all %d demands", m.Demands)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "meets %d of %d demands; not", m.Demands-len(m.Unmet), m.Demands)
	for i, u := range m.Unmet {
		if i == mostUnmet {
			fmt.Fprintf(&b, ", nor %d more", len(m.Unmet)-i)
			break
		}
		if i > 0 {
			b.WriteString(", nor")
		}
		fmt.Fprintf(&b, " “%s”", u.Demand)
		if u.Measured != "" {
			fmt.Fprintf(&b, " (%s)", shorten(u.Measured))
		}
	}
	return b.String()
}

// longest is how many letters of what was measured a cell has.
const longest = 90

func shorten(text string) string {
	letters := []rune(strings.ReplaceAll(strings.TrimSpace(text), "|", "/"))
	if len(letters) > longest {
		return string(letters[:longest]) + "…"
	}
	return string(letters)
}
