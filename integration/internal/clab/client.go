package clab

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netns"

	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
)

// client asks the virtual address over and over from the client's network namespace, each time by a new connection.
type client struct {
	mu       sync.Mutex
	answers  []time.Time
	attempts []load.Attempt
	stop     chan struct{}
	done     chan struct{}
}

const (
	askEvery = 10 * time.Millisecond
	askLimit = 500 * time.Millisecond
)

// startClient starts asking in the namespace of a container.
func startClient(container string) (*client, error) {
	ns, err := netns.GetFromName(container)
	if err != nil {
		return nil, fmt.Errorf("network namespace of %s: %w", container, err)
	}
	c := &client{stop: make(chan struct{}), done: make(chan struct{})}
	entered := make(chan error)
	go func() {
		defer close(c.done)
		// One goroutine on one thread, which is never unlocked: it ends with its foreign namespace.
		runtime.LockOSThread()
		defer ns.Close()
		err := netns.Set(ns)
		entered <- err
		if err != nil {
			return
		}
		c.loop()
	}()
	return c, <-entered
}

func (c *client) loop() {
	for {
		began := time.Now()
		a := load.Attempt{Start: mono.Now(), Failure: load.Timeout}
		ok := ask()
		c.mu.Lock()
		if ok {
			c.answers = append(c.answers, time.Now())
			a.Answered, a.Failure = mono.Now(), load.None
			a.Connected = a.Answered // when exactly is not measured
		}
		c.attempts = append(c.attempts, a)
		c.mu.Unlock()
		select {
		case <-c.stop:
			return
		case <-time.After(max(askEvery-time.Since(began), 0)):
		}
	}
}

// ask makes one request. The socket is made on this thread, in its namespace, which a net/http client would not do.
func ask() bool {
	conn, err := net.DialTimeout("tcp", netlab.VIP.String()+":80", askLimit)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(askLimit))
	if _, err := io.WriteString(conn, "GET /index.html HTTP/1.0\r\n\r\n"); err != nil {
		return false
	}
	answer, err := io.ReadAll(io.LimitReader(conn, 4096))
	return err == nil && strings.Contains(string(answer), " 200 OK\r\n")
}

// gap is the longest time without an answer in a window.
func (c *client) gap(from, to time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	longest, last := time.Duration(0), from
	for _, t := range c.answers {
		if t.Before(from) || t.After(to) {
			continue
		}
		longest, last = max(longest, t.Sub(last)), t
	}
	return max(longest, to.Sub(last)).Round(time.Millisecond)
}

// between copies the requests that began in [from, to).
func (c *client) between(from, to mono.Time) (list []load.Attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.attempts {
		if a.Start >= from && a.Start < to {
			list = append(list, a)
		}
	}
	return list
}

// close stops asking.
func (c *client) close() {
	close(c.stop)
	<-c.done
}
