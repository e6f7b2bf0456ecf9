package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lbha/lbha/cmd/internal/director"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/healthcheck/probe"
)

// probed is what a probe by hand found, for programs.
type probed struct {
	Service string        `json:"service"`
	Server  string        `json:"server"`
	Type    string        `json:"type"`
	Target  string        `json:"target"`
	OK      bool          `json:"ok"`
	Result  string        `json:"result"` // "ok", or the word for the failure
	Detail  string        `json:"detail"`
	Latency time.Duration `json:"latency_ns"`
	Steps   []step        `json:"steps"`
}

type step struct {
	After time.Duration  `json:"after_ns"`
	Kind  probe.StepKind `json:"kind"`
	Text  string         `json:"text,omitempty"`
	Data  []byte         `json:"data,omitempty"` // base64
}

// probeOnce runs the checks of a server, or of a service, once, and shows the conversation. The daemon has no part in it.
func probeOnce(ctx context.Context, out, errOut io.Writer, path string, args []string, asJSON bool) error {
	cfg, err := load(errOut, path)
	if err != nil {
		return err
	}
	server := ""
	if len(args) == 2 {
		server = args[1]
	}
	probes, err := director.Probes(cfg, args[0], server)
	if err != nil {
		return err
	}
	if len(probes) == 0 {
		return fmt.Errorf("service %s has no check: its servers count as healthy", args[0])
	}
	p := painter(out)
	results := []probed{}
	failed := false
	for i := range probes {
		q := &probes[i]
		got := probed{Service: q.Service, Server: q.Server, Type: string(q.Type), Target: q.Target, Steps: []step{}}
		if !asJSON {
			fmt.Fprintf(out, "%s %s: %s of %s, timeout %v\n", q.Service, q.Server, q.Type, dash(q.Target), q.Timeout)
		}
		r := q.Run(ctx, func(s probe.Step) {
			if asJSON {
				got.Steps = append(got.Steps, step(s))
			} else {
				printStep(out, s)
			}
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failed = failed || !r.OK()
		got.OK, got.Result, got.Detail, got.Latency = r.OK(), resultWord(r), r.Detail, r.Latency
		results = append(results, got)
		if !asJSON {
			fmt.Fprintf(out, "%8.3f  %s  %s\n\n", r.Latency.Seconds(), p(fmt.Sprintf("%-9s", got.Result), r.OK()), r.Detail)
		}
	}
	if asJSON {
		err = printJSON(out, map[string]any{"probes": results})
	}
	if err == nil && failed {
		err = exit(2)
	}
	return err
}

func resultWord(r healthcheck.Result) string {
	if r.OK() {
		return "ok"
	}
	return string(r.Failure)
}

// maxShown bounds what is shown of one step, in bytes.
const maxShown = 2 << 10

// printStep writes a step, the bytes of a conversation a line each: as text if they are, else in hexadecimal. A server
// cannot steer the terminal.
func printStep(out io.Writer, s probe.Step) {
	lines := []string{}
	if s.Text != "" {
		lines = append(lines, printable(s.Text))
	}
	data, more := s.Data, ""
	if len(data) > maxShown {
		data, more = data[:maxShown], fmt.Sprintf("… and %d bytes more", len(data)-maxShown)
	}
	if len(data) > 0 {
		lines = append(lines, dataLines(data)...)
	}
	if more != "" {
		lines = append(lines, more)
	}
	for i, l := range lines {
		if i == 0 {
			fmt.Fprintf(out, "%8.3f  %-9s  %s\n", s.After.Seconds(), s.Kind, l)
		} else {
			fmt.Fprintf(out, "%21s%s\n", "", l)
		}
	}
}

func dataLines(data []byte) []string {
	text := strings.ToValidUTF8(string(data), "\uFFFD") // what was cut in the middle of a letter
	strange := 0
	for _, r := range text {
		if r == utf8.RuneError || !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			strange++
		}
	}
	if strange*10 > utf8.RuneCountInString(text) {
		return strings.Split(strings.TrimSuffix(hex.Dump(data), "\n"), "\n")
	}
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, printable(strings.TrimRight(line, "\r\n")))
	}
	return lines
}

// printable replaces what a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, s)
}
