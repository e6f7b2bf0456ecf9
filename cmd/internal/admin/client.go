package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/observe"
)

// ErrNotRunning is returned by every call of a Client when nobody serves the socket.
var ErrNotRunning = errors.New("lbha is not running")

const maxResponse = 256 << 20

// Client speaks to a daemon. Deadlines are the caller's, by context.
type Client struct {
	path string
	http *http.Client
}

// NewClient makes a client for the control socket at path.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &Client{path: path, http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Status fetches the snapshot.
func (c *Client) Status(ctx context.Context) (*observe.Status, error) {
	return call[observe.Status](ctx, c, http.MethodGet, "/v1/status", nil)
}

// Events fetches the journal's events above since, at most limit of the newest.
func (c *Client) Events(ctx context.Context, since uint64, limit int) (*Events, error) {
	query := url.Values{"since": {strconv.FormatUint(since, 10)}, "limit": {strconv.Itoa(limit)}}
	return call[Events](ctx, c, http.MethodGet, "/v1/events?"+query.Encode(), nil)
}

// Explain asks why a real server is as it is.
func (c *Client) Explain(ctx context.Context, service, server string) (*observe.Story, error) {
	query := url.Values{"service": {service}, "server": {server}}
	return call[observe.Story](ctx, c, http.MethodGet, "/v1/explain?"+query.Encode(), nil)
}

// Plan asks what a reload would do.
func (c *Client) Plan(ctx context.Context, req PlanRequest) (*Plan, error) {
	return call[Plan](ctx, c, http.MethodPost, "/v1/plan", req)
}

// Reload reloads. A refused reload is a result with OK false, not an error.
func (c *Client) Reload(ctx context.Context, req ReloadRequest) (*ReloadResult, error) {
	return call[ReloadResult](ctx, c, http.MethodPost, "/v1/reload", req)
}

// Confirm keeps the configuration on trial, or goes back to the former one. That nothing is on trial is an error.
func (c *Client) Confirm(ctx context.Context, req ConfirmRequest) (*ReloadResult, error) {
	return call[ReloadResult](ctx, c, http.MethodPost, "/v1/confirm", req)
}

// Failover hands over.
func (c *Client) Failover(ctx context.Context, req FailoverRequest) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, "/v1/failover", req)
	return err
}

// Server gives an order for a real server, and returns when the kernel's table says so.
func (c *Client) Server(ctx context.Context, req ServerRequest) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, "/v1/server", req)
	return err
}

func call[T any](ctx context.Context, c *Client, method, path string, body any) (*T, error) {
	var payload io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://lbha"+path, payload)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	defer resp.Body.Close()
	in := json.NewDecoder(io.LimitReader(resp.Body, maxResponse))
	if resp.StatusCode != http.StatusOK {
		var failure struct{ Error string }
		if err := in.Decode(&failure); err != nil || failure.Error == "" {
			return nil, fmt.Errorf("the daemon answered %s", resp.Status)
		}
		return nil, errors.New(failure.Error)
	}
	var v T
	if err := in.Decode(&v); err != nil {
		return nil, fmt.Errorf("answer of the daemon: %w", err)
	}
	return &v, nil
}

// explain says what to do about a socket that cannot be reached.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("%w: nobody serves %s; start it with `systemctl start lbha`, or name its socket with --socket", ErrNotRunning, c.path)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("control socket %s: permission denied; use root, or join the socket's group to read", c.path)
	}
	return fmt.Errorf("control socket %s: %w", c.path, err)
}
