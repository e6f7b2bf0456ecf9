package script

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What operands may be.
var (
	directors = []string{"d1", "d2"}
	servers   = []string{"rs1", "rs2", "rs3"}
	hosts     = append(append([]string{}, directors...), append(servers, "client", "observer")...)
	daemons   = []string{"lbha", "keepalived", "frr"}
	schedules = []string{"rr", "mh"}
	parts     = []string{"supervisor", "elector", "director"}
	states    = []string{"up", "down"}
	fills     = []string{"full", "free"}
	ways      = []string{"back", "forward"}
	wrecks    = []string{"missing", "empty", "garbage", "half", "directory", "fifo"}
)

// match fills the operands of a clause from words. It returns at which word the template no longer fits, and what it wants there; an
// empty want: it fits.
func (t *template) match(c *Clause, words []word) (n int, want string) {
	for i, expected := range t.words {
		switch expected {
		case "WORDS", "STEP", "SERVERS":
			// They take what is left, but for the fixed words that end the template.
			end := len(words) - (len(t.words) - i - 1)
			if i >= end {
				return min(i, len(words)), strings.ToLower(expected)
			}
			if tail := t.words[i+1:]; join(words[end:]) != strings.Join(tail, " ") {
				return i, "a step that " + strings.Join(tail, " ")
			}
			if n, want := c.takeAll(expected, words[i:end]); want != "" {
				return i + n, want
			}
			words = append(append([]word{}, words[:i+1]...), words[end:]...)
			continue
		}
		if i >= len(words) {
			return i, describe(expected)
		}
		if !c.take(expected, words[i].text) {
			return i, describe(expected)
		}
	}
	if len(words) > len(t.words) {
		return len(t.words), "nothing more"
	}
	return 0, ""
}

// take reads one operand, or a fixed word.
func (c *Clause) take(expected, text string) bool {
	switch expected {
	case "DIRECTOR":
		c.Hosts = append(c.Hosts, text)
		return slices.Contains(directors, text)
	case "HOST":
		c.Hosts = append(c.Hosts, text)
		return slices.Contains(hosts, text)
	case "SERVER":
		c.Servers = []string{text}
		return slices.Contains(servers, text)
	case "DAEMON":
		c.Daemon = text
		return slices.Contains(daemons, text)
	case "SCHEDULER":
		c.Name = text
		return slices.Contains(schedules, text)
	case "PART":
		c.Part = text
		return slices.Contains(parts, text)
	case "STATE":
		c.Up = text == "up"
		return slices.Contains(states, text)
	case "FILL":
		c.Up = text == "full"
		return slices.Contains(fills, text)
	case "DIRECTION":
		c.Up = text == "forward"
		return slices.Contains(ways, text)
	case "WRECK":
		c.Name = text
		return slices.Contains(wrecks, text)
	case "NAME":
		c.Name = text
		return true
	case "TIME":
		d, err := duration(text)
		c.Time = d
		return err == nil
	case "NUMBER":
		n, err := strconv.Atoi(text)
		c.Number = n
		return err == nil && n >= 0 && n <= 1_000_000
	case "PERCENT":
		number, ok := strings.CutSuffix(text, "%")
		f, err := strconv.ParseFloat(number, 64)
		c.Percent = f
		return ok && err == nil && f >= 0 && f <= 100
	}
	return text == expected
}

// takeAll reads an operand of several words. It returns which of them is wrong, and what is wanted there; an empty want: none is.
func (c *Clause) takeAll(expected string, words []word) (n int, want string) {
	switch expected {
	case "STEP":
		c.Step = join(words)
	case "WORDS":
		c.Name = join(words)
	case "SERVERS":
		for i, w := range words {
			if !slices.Contains(servers, w.text) {
				return i, describe("SERVER")
			}
			c.Servers = append(c.Servers, w.text)
		}
	}
	return 0, ""
}

// describe says what may stand at a place of a sentence.
func describe(expected string) string {
	switch expected {
	case "DIRECTOR":
		return strings.Join(directors, " or ")
	case "HOST":
		return "a host (" + strings.Join(hosts, " ") + ")"
	case "SERVER":
		return "a real server (" + strings.Join(servers, " ") + ")"
	case "DAEMON":
		return strings.Join(daemons, " or ")
	case "SCHEDULER":
		return strings.Join(schedules, " or ")
	case "PART":
		return "a process (" + strings.Join(parts, " ") + ")"
	case "STATE":
		return strings.Join(states, " or ")
	case "FILL":
		return strings.Join(fills, " or ")
	case "DIRECTION":
		return strings.Join(ways, " or ")
	case "WRECK":
		return "what became of the file (" + strings.Join(wrecks, " ") + ")"
	case "NAME":
		return "a name"
	case "TIME":
		return "a time such as 1s or 250ms"
	case "NUMBER":
		return "a number"
	case "PERCENT":
		return "a share such as 5%"
	}
	return strconv.Quote(expected)
}

// duration reads a time that is not negative, and not longer than a day.
func duration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > 24*time.Hour {
		return 0, fmt.Errorf("%q: want %s", text, describe("TIME"))
	}
	return d, nil
}
