package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/lbha/lbha/"

// listed is what `go list` says of a package.
type listed struct {
	ImportPath string
	Doc        string
	Standard   bool
	Imports    []string
}

func list(t *testing.T) []listed {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not here; the test of the architecture asks it")
	}
	all, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// packages asks the go command once for all tests.
var packages = sync.OnceValues(func() (all []listed, err error) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Doc,Standard,Imports", "../...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, module)
		all = append(all, p)
	}
})

// TestDirectionOfDependencies holds the layers apart. A ban that is in the way is discussed, not deleted.
func TestDirectionOfDependencies(t *testing.T) {
	bans := []struct {
		packages []string // exact, or with /... a whole tree
		banned   []string // exact, or with /... a whole tree
		reason   string
	}{
		{[]string{"vrrp", "vrrp/wire", "healthcheck", "ipvs"},
			[]string{"os", "os/exec", "net", "net/http", "log", "log/slog", "golang.org/x/sys/unix", "golang.org/x/net/..."},
			"the core is pure: it opens nothing and logs nothing, so that it can be tested in virtual time"},
		{[]string{"vrrp", "vrrp/wire"}, []string{"sync", "context", "math/rand", "math/rand/v2"},
			"a machine belongs to one goroutine and is a function of its events"},
		{[]string{"vrrp/..."}, []string{module + "healthcheck/...", module + "ipvs/...", module + "config/..."},
			"a protocol that knew of checks or files could not be reasoned about alone"},
		{[]string{"healthcheck/..."}, []string{module + "vrrp/...", module + "ipvs/...", module + "config/..."},
			"what is healthy does not depend on who is master or on what is done about it"},
		{[]string{"ipvs/..."}, []string{module + "vrrp/...", module + "healthcheck/...", module + "config/..."},
			"the table takes verdicts and roles as plain values"},
		{[]string{"config"}, []string{module + "cmd/...", module + "vrrp/segment", module + "vrrp/address", module + "vrrp/announce", module + "ipvs/kernel", module + "healthcheck/probe"},
			"a configuration is checked without a kernel"},
		{[]string{"cmd/internal/elector"}, []string{module + "healthcheck/...", module + "ipvs/kernel", "net/http", "os/exec", "log/slog", module + "cmd/internal/admin", module + "cmd/internal/director"},
			"nothing slow may be near the loop that sends adverts"},
	}
	// Each library lives behind one adapter, so that it can be replaced there.
	homes := map[string][]string{
		"github.com/BurntSushi/toml":           {"config"},
		"github.com/moby/ipvs":                 {"ipvs/kernel"},
		"github.com/mdlayher/genetlink":        {"ipvs/kernel"},
		"github.com/mdlayher/arp":              {"vrrp/announce"},
		"golang.org/x/net/ipv4":                {"vrrp/segment", "healthcheck/probe"},
		"github.com/prometheus/client_golang/": {"cmd/internal/observe", "cmd/internal/director"},
		"github.com/spf13/cobra":               {"cmd/lbha", "integration/lab"},
	}
	for _, p := range list(t) {
		for _, ban := range bans {
			if !slices.ContainsFunc(ban.packages, func(pattern string) bool { return matches(pattern, p.ImportPath) }) {
				continue
			}
			for _, imported := range p.Imports {
				if slices.ContainsFunc(ban.banned, func(pattern string) bool { return matches(pattern, imported) }) {
					t.Errorf("%s must not import %s: %s", p.ImportPath, imported, ban.reason)
				}
			}
		}
		for _, imported := range p.Imports {
			for library, allowed := range homes {
				if strings.HasPrefix(imported, library) && !slices.Contains(allowed, p.ImportPath) {
					t.Errorf("%s must not import %s: it lives behind %s", p.ImportPath, imported, strings.Join(allowed, " and "))
				}
			}
		}
	}
}

func TestEveryPackageTeaches(t *testing.T) {
	for _, p := range list(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

func matches(pattern, path string) bool {
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == tree || strings.HasPrefix(path, tree+"/")
	}
	return path == pattern
}
