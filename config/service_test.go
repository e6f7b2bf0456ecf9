package config

import (
	"reflect"
	"slices"
	"testing"

	"github.com/lbha/lbha/healthcheck"
)

// Whatever differs in a server differs in the hash and for Compare: each field alone, and the order.
func TestServerDiffers(t *testing.T) {
	config := func(edit func(*Server)) *Config {
		c, err := Parse("f", []byte("[[service]]\nname = \"www\"\naddress = \"10.9.0.100:80\"\n"+
			"[[service.server]]\naddress = \"10.9.0.1:80\"\n[[service.server]]\naddress = \"10.9.0.2:80\"\n"))
		if err != nil {
			t.Fatal(err)
		}
		edit(&c.Services[0].Servers[0])
		c.Hash = c.hash()
		return c
	}
	same := func(what string, a, b *Config, want bool) {
		t.Helper()
		if (a.Hash == b.Hash) != want || a.Services[0].equal(&b.Services[0]) != want {
			t.Errorf("%s: hash %v, equal %v, want %v", what, a.Hash == b.Hash, a.Services[0].equal(&b.Services[0]), want)
		}
	}
	plain := config(func(*Server) {})
	same("nothing", plain, config(func(*Server) {}), true)
	fields := reflect.TypeFor[Server]()
	for i := range fields.NumField() {
		same(fields.Field(i).Name, plain, config(func(s *Server) {
			switch f := reflect.ValueOf(s).Elem().Field(i); f.Kind() {
			case reflect.Struct:
				s.Address = plain.Services[0].Servers[1].Address
			case reflect.Slice:
				f.Set(reflect.MakeSlice(f.Type(), 0, 0)) // no checks, not even the service's
			case reflect.Bool:
				f.SetBool(true)
			case reflect.Int:
				f.SetInt(2)
			default:
				f.SetUint(7)
			}
		}), false)
	}
	checked := func(port uint16) *Config {
		return config(func(s *Server) { s.Checks = []Check{{Type: healthcheck.TypeTCP, Port: port}} })
	}
	same("a check", checked(1), checked(1), true)
	same("another check", checked(1), checked(2), false)
	turned := config(func(*Server) {})
	slices.Reverse(turned.Services[0].Servers)
	turned.Hash = turned.hash()
	same("order", plain, turned, false)
}
