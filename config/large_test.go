package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/config"
)

// TestManyServers holds that a large configuration loads, and costs what its text does.
func TestManyServers(t *testing.T) {
	start := time.Now()
	c := parse(t, manyServers())
	if n := len(c.Services[999].Servers); n != 10 {
		t.Errorf("the last service has %d servers", n)
	}
	if d := time.Since(start); d > time.Minute { // hundreds of times what it takes: see BenchmarkLoad
		t.Errorf("10,000 servers took %v", d)
	}
}

// manyServers is a configuration of 1,000 services with 10 servers each.
func manyServers() string {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "[[service]]\nname = \"s%d\"\naddress = \"10.1.%d.%d:80\"\n[service.check]\ntype = \"tcp\"\n", i, i/250, i%250+1)
		for j := range 10 {
			fmt.Fprintf(&b, "[[service.server]]\naddress = \"10.2.%d.%d:80\"\nweight = %d\n", i/250*10+j, i%250+1, j+1)
		}
	}
	return b.String()
}

// BenchmarkLoad loads 1,000 services with 10 servers each.
func BenchmarkLoad(b *testing.B) {
	text := []byte(manyServers())
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := config.Parse("text", text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompare compares two configurations of that size, which differ in one weight.
func BenchmarkCompare(b *testing.B) {
	text := manyServers()
	old, err := config.Parse("text", []byte(text))
	if err != nil {
		b.Fatal(err)
	}
	edited, err := config.Parse("text", []byte(strings.Replace(text, "weight = 5", "weight = 6", 1)))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if plan := config.Compare(old, edited); len(plan.Services) != 1 {
			b.Fatal(plan)
		}
	}
}
