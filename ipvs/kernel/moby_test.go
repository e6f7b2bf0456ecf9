package kernel

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lbha/lbha/ipvs"
	moby "github.com/moby/ipvs"
)

// TestHang checks that a call that does not return costs its deadline and its
// handle, and no more.
func TestHang(t *testing.T) {
	c := open(t, namespace(t))
	c.options.Timeout = 50 * time.Millisecond
	hang, end := make(chan struct{}), make(chan struct{})
	_, err := callMoby(t.Context(), c, "hang", func(*moby.Handle) (none struct{}, err error) {
		<-hang
		close(end)
		return none, nil
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call that hangs: %v, want %v", err, context.DeadlineExceeded)
	}
	c.options.Timeout = 5 * time.Second
	if _, err := c.Settings(t.Context()); err != nil {
		t.Errorf("after it: %v", err)
	}
	close(hang)
	<-end
}

// TestHandleProvesItself checks that moby/ipvs is not believed where the kernel
// has no IPVS: it would report success.
func TestHandleProvesItself(t *testing.T) {
	ns := namespace(t)
	switch _, err := New(Options{Namespace: ns}).Info(t.Context()); {
	case err == nil:
		t.Skip("only where the kernel has no IPVS, and this one has it")
	case !errors.Is(err, ipvs.ErrUnavailable):
		t.Fatal(err)
	}
	if h, err := openHandle(ns); !errors.Is(err, errStale) {
		t.Errorf("openHandle: %v, %v, want %v", h, err, errStale)
	}
}
