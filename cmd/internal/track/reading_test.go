package track

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/config"
)

// TestSum adds up tracks of every kind.
func TestSum(t *testing.T) {
	type tracked struct {
		config.Track
		Reading
	}
	thing := func(kind config.TrackKind, weight int, r Reading) tracked {
		return tracked{config.Track{Kind: kind, Target: "x", Weight: weight}, r}
	}
	good, bad := Reading{State: Good, Share: 1, Reason: "well"}, Reading{State: Bad, Reason: "ill"}
	half := Reading{State: Good, Share: 0.5, Reason: "half"}
	const script, file, process, service = config.TrackScript, config.TrackFile, config.TrackProcess, config.TrackService
	for name, c := range map[string]struct {
		tracks []tracked
		want   link.Tracked
	}{
		"nothing":                         {nil, link.Tracked{}},
		"good, negative weight":           {[]tracked{thing(script, -30, good)}, link.Tracked{}},
		"bad, negative weight":            {[]tracked{thing(script, -30, bad)}, link.Tracked{Adjust: -30, Detail: "script x: ill (-30)"}},
		"good, positive weight":           {[]tracked{thing(process, 30, good)}, link.Tracked{Adjust: 30, Detail: "process x: well (+30)"}},
		"bad, positive weight":            {[]tracked{thing(process, 30, bad)}, link.Tracked{}},
		"good, no weight":                 {[]tracked{thing(script, 0, good)}, link.Tracked{}},
		"bad, no weight":                  {[]tracked{thing(script, 0, bad), thing(process, 0, bad)}, link.Tracked{Fault: "script x: ill"}},
		"not known, no weight":            {[]tracked{thing(script, 0, Reading{State: Unknown})}, link.Tracked{}},
		"not known, positive weight":      {[]tracked{thing(script, 9, Reading{State: Unknown})}, link.Tracked{}},
		"file":                            {[]tracked{thing(file, 0, Reading{State: Good, Weight: -7, Reason: "the content is -7"})}, link.Tracked{Adjust: -7, Detail: "file x: the content is -7 (-7)"}},
		"half a service, negative weight": {[]tracked{thing(service, -51, half)}, link.Tracked{Adjust: -26, Detail: "service x: half (-26)"}},
		"half a service, positive weight": {[]tracked{thing(service, 50, half)}, link.Tracked{Adjust: 25, Detail: "service x: half (+25)"}},
		"half a service, no weight":       {[]tracked{thing(service, 0, half)}, link.Tracked{}},
		"no service, no weight":           {[]tracked{thing(service, 0, bad)}, link.Tracked{Adjust: -254, Detail: "service x: ill (-254)"}},
		"the elector's":                   {[]tracked{thing(config.TrackInterface, 0, bad), thing(config.TrackInstance, -5, bad)}, link.Tracked{}},
		"several": {[]tracked{thing(script, -30, bad), thing(process, 10, good), thing(service, -40, half), thing(file, 0, Reading{State: Good})},
			link.Tracked{Adjust: -40, Detail: "script x: ill (-30), process x: well (+10), service x: half (-20)"}},
	} {
		var tracks []config.Track
		var weighed []Weighed
		for _, x := range c.tracks {
			tracks = append(tracks, x.Track)
			weighed = append(weighed, Weigh(&x.Track, x.Reading))
		}
		got, known := Sum(tracks, weighed)
		if diff := cmp.Diff(c.want, got); diff != "" || !known {
			t.Errorf("%s: known %v (-want +got):\n%s", name, known, diff)
		}
	}
}

// TestASumIsNotKnownWhileAReadingIsPending holds that no result is not a failure, nor a success.
func TestASumIsNotKnownWhileAReadingIsPending(t *testing.T) {
	tracks := []config.Track{{Kind: config.TrackFile, Target: "a"}, {Kind: config.TrackScript, Target: "b"}}
	sum, known := Sum(tracks, []Weighed{{Reading: Reading{State: Good, Weight: 10}, Adjust: 10}, {}})
	if known || sum != (link.Tracked{}) {
		t.Errorf("%+v, known %v", sum, known)
	}
}

// TestParseWeight reads contents of files.
func TestParseWeight(t *testing.T) {
	for content, want := range map[string]string{
		"20": "20", "-20\n": "-20", " +7 \r\n": "7", "0": "0", "254": "254", "-254": "-254",
		"": "error", "\n": "error", "255": "error", "-255": "error", "1.5": "error", "ten": "error", "10 20": "error", "0x10": "error", "9999999999999999999": "error", "٣": "error",
	} {
		n, err := parseWeight([]byte(content))
		got := "error"
		if err == nil {
			got = strconv.Itoa(n)
		}
		if got != want {
			t.Errorf("%q: %s, %v; want %s", content, got, err, want)
		}
	}
}

// FuzzParseWeight holds that whatever a file holds is a weight in range or an error of one short line.
func FuzzParseWeight(f *testing.F) {
	for _, seed := range []string{"20", "-254\n", "x\x00\x1b[2J", "999", " 7 "} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		n, err := parseWeight(content)
		if n < -maxWeight || n > maxWeight {
			t.Errorf("%q is %d", content, n)
		}
		if err != nil && (n != 0 || len(err.Error()) > 200 || strings.ContainsAny(err.Error(), "\n\x1b")) {
			t.Errorf("%q: %d, %q", content, n, err)
		}
	})
}
