package rehearse

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/integration/internal/script"
)

// fakePair is a command that takes ssh's place: HOST COMMAND. Who is master is a file, and every command is written down.
func fakePair(t *testing.T, really bool) (pair *SSH, said func() string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"master": "one\n",
		"ssh": `#!/bin/sh
dir=$(dirname "$0")
status() {
	state=backup
	[ "$(cat "$dir/master")" = "$1" ] && state=master
	echo '{"instances":[{"state":"'$state'"}]}'
}
command=${2#"exec sh -c 'PATH=\$PATH:/usr/local/sbin:/usr/sbin:/sbin; "}
set -- "$1" "${command%\'}"
case "$2" in
*"while "*) while :; do status "$1"; sleep 0.1; done ;;
"lbha status --json") status "$1"; exit ;;
"lbha failover") echo two >"$dir/new"; mv "$dir/new" "$dir/master" ;;
"lbha failover --lift") echo one >"$dir/new"; mv "$dir/new" "$dir/master" ;;
"lbha plan") [ ! -e "$dir/changed" ] || { echo "edit  www"; exit 2; } ;;
"systemctl --no-block stop lbha") [ ! -e "$dir/lost" ] || { echo "$1: $2" >>"$dir/log"; exec sleep 60; } ;;
esac
echo "$1: $2" >>"$dir/log"
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	said = func() string {
		text, err := os.ReadFile(filepath.Join(dir, "log"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return string(text)
	}
	return &SSH{Remote: Remote{Hosts: [2]string{"one", "two"}, Command: filepath.Join(dir, "ssh"), Really: really}}, said
}

func parse(t *testing.T, text string) *script.Scenario {
	t.Helper()
	s, err := script.Parse("pair.scenario", text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSSH(t *testing.T) {
	t.Parallel()
	pair, said := fakePair(t, false)
	s := parse(t, `title a pair that works
length 6s
at 100ms status d1
at 200ms reload d2
at 1s failover d1
at 2500ms lift d1
expect d2 is master within 2s of failover d1
expect holder is d1 at end
expect one master within 1s of lift d1
`)
	r := Play(context.Background(), pair, s, t.Logf)
	if !r.OK || r.Error != "" {
		t.Errorf("%s: %+v, %s", r.Error, r.Findings, r.Masters)
	}
	want := "two: lbha plan\ntwo: lbha reload\none: lbha failover\none: lbha failover --lift\n"
	if got := said(); got != want {
		t.Errorf("said\n%swant\n%s", got, want)
	}
	if !strings.Contains(r.Picture, "failover d1") {
		t.Error("the picture does not show the failover")
	}
}

// A reload that would change something is none that is harmless.
func TestSSHReloadsOnlyWhatIsInForce(t *testing.T) {
	t.Parallel()
	pair, said := fakePair(t, false)
	if err := os.WriteFile(filepath.Join(filepath.Dir(pair.Command), "changed"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := pair.do(context.Background(), script.Clause{Form: script.Reload, Hosts: []string{"d1"}})
	if !errors.Is(err, ErrHarmful) || strings.Contains(said(), "reload") {
		t.Errorf("%v; said %s", err, said())
	}
}

const harmful = `title harm
length 2s
at 100ms stop d1
at 1500ms start d1
at 1600ms kill d2 elector
expect holder is d1 at end
`

// What may hurt is an error with its position before anything is done, and is done for whoever says that it shall.
func TestSSHRefusesHarm(t *testing.T) {
	t.Parallel()
	pair, said := fakePair(t, false)
	r := Play(context.Background(), pair, parse(t, harmful), t.Logf)
	if r.OK || strings.Count(r.Error, ErrHarmful.Error()) != 3 || !strings.Contains(r.Error, "pair.scenario:3:10:") || said() != "" {
		t.Errorf("%s; said %s", r.Error, said())
	}
	pair, said = fakePair(t, true)
	r = Play(context.Background(), pair, parse(t, harmful), t.Logf)
	want := "one: systemctl --no-block stop lbha\none: systemctl start lbha\n" +
		"two: pkill -KILL -P \"$(systemctl show --property=MainPID --value lbha)\" -f \"^lbha: vrrp\"\n"
	if !r.OK || said() != want {
		t.Errorf("%s: %+v; said\n%s", r.Error, r.Findings, said())
	}
}

// What nobody can see or do from afar is refused, whatever is allowed.
func TestSSHKnowsItsLimits(t *testing.T) {
	t.Parallel()
	pair, _ := fakePair(t, true)
	errs := Possible(pair, parse(t, `title limits
director d2 keepalived
length 9s
at 1s cut d1 d2
at 1s reload d1 priority 3
at 2s pause d1 1s
expect client loses nothing
expect table d1 = d2
expect no holder < 1s
expect two holders < 50ms
`))
	var text []string
	for _, err := range errs {
		text = append(text, err.Error())
	}
	want := `pair.scenario:2:1: director d2 keepalived: cannot be seen over ssh: only lbha can be asked who is master
pair.scenario:4:7: cut d1 d2: cannot be done over ssh
pair.scenario:5:7: reload d1 priority 3: cannot be done over ssh
pair.scenario:6:7: pause d1 1s: cannot be done over ssh
pair.scenario:6:7: continue d1: cannot be done over ssh
pair.scenario:7:8: client loses nothing: cannot be seen over ssh: that takes a client or an observer on the segment
pair.scenario:8:8: table d1 = d2: cannot be seen over ssh: that takes a client or an observer on the segment
pair.scenario:10:8: two holders < 50ms: cannot be seen over ssh: times below 1s`
	if got := strings.Join(text, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A pair that cannot be asked is not at rest.
func TestSSHToNobody(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	pair := &SSH{Remote: Remote{Hosts: [2]string{"one", "two"}, Command: "/nonexistent/ssh"}}
	r := Play(ctx, pair, parse(t, "title t\nlength 1s\nexpect holder is d1 at end"), t.Logf)
	if r.OK || !strings.Contains(r.Error, "/nonexistent/ssh") {
		t.Errorf("%+v", r)
	}
}
