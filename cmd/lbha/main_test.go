package main

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lbha/lbha/cmd/internal/supervisor"
)

// playMain in the environment makes the test binary the command itself, for tests that start a daemon.
const playMain = "LBHA_TEST_MAIN"

// The scripts run the real command: the test binary plays it, and the processes that its supervisor starts.
func TestMain(m *testing.M) {
	if os.Getenv(supervisor.EnvRole) != "" || os.Getenv(playMain) != "" {
		main() // does not return
	}
	if os.Getenv(playFlood) != "" {
		if err := flood(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Pairs share nothing and mostly wait: more of them than there are processors may be up at once.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"lbha": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
	})
}
