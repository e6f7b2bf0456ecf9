package clab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netns"

	"github.com/lbha/lbha/integration/internal/drive"
)

// container is one of the topology.
type container struct {
	name    string // in the topology
	pid     int    // of its first process, as this world numbers it, while that lives
	log     string // the file in which Docker keeps what it says
	stopped bool   // a real server whose web server does not run
}

// inspect asks Docker for the directors and the real servers.
func inspect(ctx context.Context) (map[string]*container, error) {
	all := map[string]*container{}
	for _, name := range []string{"d1", "d2", "rs1", "rs2", "rs3"} {
		out, err := run(ctx, "docker", "inspect", "-f", "{{.State.Pid}} {{.LogPath}}", prefix+name)
		if err != nil {
			return nil, err
		}
		c := &container{name: name}
		if _, err := fmt.Sscan(out, &c.pid, &c.log); err != nil {
			return nil, fmt.Errorf("docker inspect %s: %w: %s", name, err, out)
		}
		all[name] = c
	}
	return all, nil
}

// processes are the parts of a director's daemon that run.
func (p *Place) processes(host string) map[drive.Part]int {
	first := p.containers[host].pid
	if syscall.Kill(first, 0) != nil {
		return nil
	}
	parts := drive.Children(first)
	parts[drive.Supervisor] = first
	return parts
}

// endLimit is how long a container that was told to stop may take.
const endLimit = 15 * time.Second

// start starts a container that has ended. Its network went with it, and containerlab makes it only once: the cable is plugged into the new one.
func (p *Place) start(ctx context.Context, name string) error {
	waiting, cancel := context.WithTimeout(ctx, endLimit)
	defer cancel()
	if _, err := run(waiting, "docker", "wait", prefix+name); err != nil {
		return err
	}
	if _, err := run(ctx, "docker", "start", prefix+name); err != nil {
		return err
	}
	out, err := run(ctx, "docker", "inspect", "-f", "{{.State.Pid}}", prefix+name)
	if err != nil {
		return err
	}
	c := p.containers[name]
	if c.pid, err = strconv.Atoi(strings.TrimSpace(out)); err != nil {
		return err
	}
	ns, err := netns.GetFromPid(c.pid)
	if err != nil {
		return err
	}
	return p.moved(name, ns)
}

// revive makes a director run with its configuration, whatever state its container is in.
func (p *Place) revive(ctx context.Context, name string) error {
	state, err := run(ctx, "docker", "inspect", "-f", "{{.State.Status}}", prefix+name)
	if err != nil {
		return err
	}
	switch strings.TrimSpace(state) {
	case "paused":
		if _, err := run(ctx, "docker", "unpause", prefix+name); err != nil {
			return err
		}
	case "running":
	default:
		return p.start(ctx, name)
	}
	_, err = p.containers[name].run(ctx, "lbha", "reload")
	return err
}

// run runs a command in a container. docker exec does the same by starting half a dozen programs, which takes longer than a server is away in some
// scenarios, and from a small machine the time that the daemons need.
func (c *container) run(ctx context.Context, args ...string) (string, error) {
	return output(ctx, strings.Join(args, " ")+" in "+c.name, "nsenter", append([]string{"--all", "--target", strconv.Itoa(c.pid)}, args...)...)
}

// web starts or kills the web server of a real server, by the commands that its container began with and that the example's README shows.
func (c *container) web(ctx context.Context, up bool) error {
	if !up {
		_, err := c.run(ctx, "killall", "httpd")
		c.stopped = err == nil
		return err
	}
	// As the lab's web servers: a real server is a machine of its own, and does not wait for Docker on this one.
	_, err := output(ctx, "httpd in "+c.name, "chrt", "--fifo", "1", "nsenter", "--all", "--target", strconv.Itoa(c.pid), "httpd", "-p", "80", "-h", "/www")
	c.stopped = err != nil
	return err
}

// logSize is how much a container has said so far, in bytes of Docker's file.
func (c *container) logSize() int64 {
	info, err := os.Stat(c.log)
	if err != nil {
		return 0
	}
	return info.Size()
}

// said is what a container said from one position of Docker's file to another.
func (c *container) said(from, to int64) string {
	f, err := os.Open(c.log)
	if err != nil {
		return ""
	}
	defer f.Close()
	text := make([]byte, max(to-from, 0))
	n, _ := f.ReadAt(text, from)
	return logged(text[:n])
}

// logged is the text of lines that Docker keeps as JSON.
func logged(text []byte) string {
	var b strings.Builder
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var line struct {
			Log string `json:"log"`
		}
		if d.Decode(&line) != nil {
			return b.String()
		}
		b.WriteString(line.Log)
	}
}
