//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// interruptible returns a context that ends when somebody wants the lab to end: by a signal, or by closing the terminal, or by ending the
// `go run` that started it, which passes nothing on. Then worlds are ended, and what was done to a real pair is taken back.
func interruptible() (ctx context.Context, stop func()) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	// An interrupt of a pipeline ends the reader, too: to tell what is taken back must not be the end of it. Caught, not ignored: programs that
	// are started would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop = signal.NotifyContext(context.Background(), signals...)
	if parent := os.Getppid(); command(parent) == "go" {
		ctx = whileChildOf(ctx, parent)
	}
	return ctx, stop
}

// parentPeriod is how often it is looked whether a parent is still there.
const parentPeriod = 500 * time.Millisecond

// whileChildOf ends a context when a process is no longer this one's parent.
func whileChildOf(ctx context.Context, parent int) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		for ticks := time.Tick(parentPeriod); os.Getppid() == parent; {
			select {
			case <-ticks:
			case <-ctx.Done():
				return
			}
		}
		cancel(fmt.Errorf("process %d, which started this, has ended", parent))
	}()
	return ctx
}

// command is the name of a process's program; empty: there is no such process.
func command(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}
