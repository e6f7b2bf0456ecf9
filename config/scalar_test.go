package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/config"
)

// TestSecretStaysSecret prints a secret in every way that a careless line of code might.
func TestSecretStaysSecret(t *testing.T) {
	in := config.Instance{Name: "web", Auth: config.Auth{Type: config.AuthPass, Key: config.NewSecret("hunter22")}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n", in.Auth.Key)
		fmt.Fprintf(&out, verb+"\n", &in.Auth.Key)
		fmt.Fprintf(&out, verb+"\n", in)
	}
	log := slog.New(slog.NewTextHandler(&out, nil))
	log.Info("text", "key", in.Auth.Key)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "key", in.Auth.Key)
	other := in
	other.Auth.Key = config.NewSecret("hunter23")
	plan := config.Compare(&config.Config{Instances: []config.Instance{in}}, &config.Config{Instances: []config.Instance{other}})
	out.WriteString(plan.String())
	if err := json.NewEncoder(&out).Encode(plan); err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{"hunter", fmt.Sprintf("%x", "hunter"), fmt.Sprintf("%X", "hunter")} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("printed:\n%s", out.String())
		}
	}
	if !strings.Contains(plan.String(), "auth.key changed") {
		t.Errorf("the plan does not show the change: %s", plan)
	}
	if in.Auth.Key.Reveal() != "hunter22" {
		t.Errorf("Reveal = %q", in.Auth.Key.Reveal())
	}
}

func TestAddressLease(t *testing.T) {
	for text, want := range map[string]config.AddressLease{
		"auto": {Auto: true},
		"off":  {},
		"3s":   {Duration: 3 * time.Second},
		"1h":   {Duration: time.Hour},
	} {
		var got, again config.AddressLease
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != want {
			t.Errorf("%s again: %v, %v", got, again, err)
		}
	}
	for _, text := range []string{"", "Auto", "0s", "-1s", "500ms", "2h", "3"} {
		var l config.AddressLease
		if err := l.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: accepted as %v", text, l)
		}
	}
}
