package main

import (
	"slices"
	"testing"

	"github.com/lbha/lbha/cmd/internal/observe"
)

func TestCompletion(t *testing.T) {
	st := &observe.Status{
		Instances: []observe.Instance{{Name: "web"}, {Name: "inside"}},
		Services: []observe.Service{
			{Name: "www", Servers: []observe.Server{{Address: "10.9.0.3:80"}, {Address: "10.9.0.4:80"}}},
			{Name: "dns", Servers: []observe.Server{{Address: "10.9.0.3:53"}}},
		},
	}
	for _, c := range []struct {
		name   string
		place  proposal
		before []string
		want   []string
	}{
		{"failover", instanceNames, nil, []string{"web", "inside"}},
		{"drain", serviceNames, nil, []string{"www", "dns"}},
		{"explain", instanceAndServiceNames, nil, []string{"web", "inside", "www", "dns"}},
		{"drain www", serverNames, []string{"www"}, []string{"10.9.0.3:80", "10.9.0.4:80"}},
		{"explain web", serverNames, []string{"web"}, nil},
	} {
		if got := c.place(st, c.before); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
