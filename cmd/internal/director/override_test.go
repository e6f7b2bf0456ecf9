package director

import (
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/admin"
)

// order gives an order for a server.
func (h *host) order(action admin.Action, server string, change func(*admin.ServerRequest)) error {
	req := admin.ServerRequest{Service: "www", Server: server, Action: action}
	if change != nil {
		change(&req)
	}
	return h.client.Server(h.t.Context(), req)
}

func TestOrdersRuleOverChecksAndSurvive(t *testing.T) {
	h, a, b := startPair(t)
	rule := func() string {
		for line := range strings.Lines(h.kernel.Table().String()) {
			if strings.Contains(line, b.Addr().String()) {
				return strings.TrimSpace(line[strings.Index(line, "-w"):])
			}
		}
		return "out"
	}
	name := b.Addr().String()
	steps := []struct {
		action admin.Action
		change func(*admin.ServerRequest)
		want   string
	}{
		{admin.Weight, func(r *admin.ServerRequest) { r.Weight = 7 }, "-w 7"},
		{admin.Disable, nil, "out"},
		{admin.Enable, nil, "-w 1"},
		{admin.Disable, func(r *admin.ServerRequest) { r.Reason = "disk swap" }, "out"},
	}
	for _, step := range steps {
		if err := h.order(step.action, name, step.change); err != nil {
			t.Fatalf("%s: %v", step.action, err)
		}
		if got := rule(); got != step.want {
			t.Fatalf("after %s: %s, want %s", step.action, got, step.want)
		}
	}
	h.reload()
	h.stop()
	h.start()
	time.Sleep(300 * time.Millisecond)
	if got := rule(); got != "out" {
		t.Errorf("after a reload and a restart: %s, want out", got)
	}
	if s := h.status().Services[0].Servers[1]; s.Order != "disable: disk swap" {
		t.Errorf("status does not show the order: %+v", s)
	}

	// A drain ends when the last connection has, and --for ends any order.
	if err := h.order(admin.Enable, name, nil); err != nil {
		t.Fatal(err)
	}
	h.untilIn(b)
	h.busy(b, 2)
	if err := h.order(admin.Drain, name, func(r *admin.ServerRequest) { r.For = 6 * time.Second }); err != nil {
		t.Fatal(err)
	}
	time.Sleep(drainLook + 500*time.Millisecond)
	if got := rule(); got != "-w 0" {
		t.Errorf("while it drains: %s, want -w 0", got)
	}
	h.busy(b, 0)
	h.until("drained", func() bool { return rule() == "out" })
	h.until("the order over", func() bool { return rule() == "-w 1" })

	// A server that is no longer configured takes its order with it.
	if err := h.order(admin.Disable, name, nil); err != nil {
		t.Fatal(err)
	}
	h.write(a)
	h.reload()
	h.write(a, b)
	h.reload()
	h.until("b serves without its former order", func() bool { return rule() == "-w 1" })
}

func TestOrdersThatMakeNoSenseAreRefused(t *testing.T) {
	h := newHost(t)
	a := h.server()
	h.write(a)
	h.start()
	for want, req := range map[string]admin.ServerRequest{
		`no service "ww"`:             {Service: "ww", Server: "x", Action: admin.Drain},
		"has no server 10.9.9.9":      {Service: "www", Server: "10.9.9.9", Action: admin.Drain},
		"want 0 to 65535":             {Service: "www", Server: a.Addr().String(), Action: admin.Weight, Weight: 70000},
		"there is no order to lift":   {Service: "www", Server: "127.0.0.1", Action: admin.Enable},
		`unknown action "obliterate"`: {Service: "www", Server: a.Addr().String(), Action: "obliterate"},
	} {
		if err := h.client.Server(t.Context(), req); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", req, err, want)
		}
	}
}
