package link

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
)

// pair returns both ends of a link.
func pair(t *testing.T) (elector, director *Conn) {
	t.Helper()
	a, b, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	if elector, err = Open(int(a.Fd())); err != nil {
		t.Fatal(err)
	}
	if director, err = Open(int(b.Fd())); err != nil {
		t.Fatal(err)
	}
	return elector, director
}

// instance is a valid one: identifiers out of range do not survive the link.
func instance(name string) config.Instance {
	return config.Instance{Name: name, VRID: 51, Version: vrrp.Version3, Family: ipvs.IPv4, Priority: 100}
}

func TestMessagesArriveWholeAndInOrder(t *testing.T) {
	elector, director := pair(t)
	if _, err := elector.Receive(); !errors.Is(err, ErrEmpty) {
		t.Fatalf("receive on an empty link: %v, want ErrEmpty", err)
	}
	many := make([]config.Instance, 1000)
	for i := range many {
		many[i] = instance(strings.Repeat("x", 100))
	}
	if err := director.Send(Message{Prepare: &Prepare{Generation: 7, Hash: "h", Instances: many}}); err != nil {
		t.Fatal(err)
	}
	if err := director.Send(Message{Commit: &Commit{Generation: 7}}); err != nil {
		t.Fatal(err)
	}
	m, err := elector.Receive()
	if err != nil || m.Prepare == nil || len(m.Prepare.Instances) != 1000 || m.Prepare.Instances[999].Name != many[999].Name {
		t.Fatalf("first message: %+v, %v; want the Prepare with 1000 instances", m, err)
	}
	if m, err = elector.Receive(); err != nil || m.Commit == nil || m.Commit.Generation != 7 {
		t.Fatalf("second message: %+v, %v; want the Commit", m, err)
	}
	if _, err := elector.Receive(); !errors.Is(err, ErrEmpty) {
		t.Fatalf("after the last message: %v, want ErrEmpty", err)
	}
}

func TestSecretsCrossTheLink(t *testing.T) {
	elector, director := pair(t)
	in := instance("web")
	in.Auth = config.Auth{Type: config.AuthPass, Key: config.NewSecret("hush")}
	if err := director.Send(Message{Prepare: &Prepare{Instances: []config.Instance{in}}}); err != nil {
		t.Fatal(err)
	}
	m, err := elector.Receive()
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Prepare.Instances[0].Auth.Key.Reveal(); got != "hush" {
		t.Fatalf("the key arrived as %q", got)
	}
}

func TestTracksAndGroupsCrossTheLink(t *testing.T) {
	elector, director := pair(t)
	tracks := Message{Version: Version, Tracks: &Tracks{Instances: map[string]Tracked{
		"web": {Adjust: -30, Detail: "file /run/weight −30"},
		"dns": {Fault: "script /bin/ask failed"},
		"db":  {},
	}}}
	prepare := Message{Version: Version, Prepare: &Prepare{
		Instances: []config.Instance{instance("a"), instance("b")},
		Groups:    []config.Group{{Name: "g", Members: []string{"a", "b"}}},
	}}
	for _, sent := range []Message{tracks, prepare} {
		if err := director.Send(sent); err != nil {
			t.Fatal(err)
		}
		got, err := elector.Receive()
		if err != nil {
			t.Fatal(err)
		}
		want, _ := json.Marshal(sent)
		if text, _ := json.Marshal(got); string(text) != string(want) {
			t.Errorf("received %s\nwant %s", text, want)
		}
	}
}

func TestAnEndThatDoesNotReadHoldsUpNobody(t *testing.T) {
	elector, director := pair(t)
	big := Message{Happened: &Happened{Message: strings.Repeat("m", 64<<10)}}
	var err error
	for range 1000 {
		if err = elector.Send(big); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("sending to an end that does not read: %v, want ErrFull", err)
	}
	for { // it returns, and reads what is left
		if _, err := director.Receive(); errors.Is(err, ErrEmpty) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := elector.Send(big); err != nil {
		t.Fatalf("after the other end has read: %v", err)
	}
}

func TestGarbageAndOtherVersionsAreErrorsOfOneMessage(t *testing.T) {
	elector, director := pair(t)
	for _, raw := range []string{"not json", `{"version":99,"query":{}}`, `{"version":1,"state":"text"}`} {
		if err := unix.Send(director.FD(), []byte(raw), 0); err != nil {
			t.Fatal(err)
		}
		if m, err := elector.Receive(); err == nil || errors.Is(err, ErrEmpty) {
			t.Errorf("%q was received as %+v, %v", raw, m, err)
		}
	}
	if err := director.Send(Message{Query: &Query{}}); err != nil {
		t.Fatal(err)
	}
	if m, err := elector.Receive(); err != nil || m.Query == nil {
		t.Fatalf("after garbage: %+v, %v; want the Query", m, err)
	}
}
