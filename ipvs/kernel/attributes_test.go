package kernel

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"
)

// FuzzAttributes holds that attributes are read as the library reads them, or not at all: it puts up with a length of 0.
func FuzzAttributes(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte{4, 0, 1, 0})
	f.Add([]byte{8, 0, 2, 0x80, 4, 0, 1, 0, 5, 0, 3, 0, 9})
	f.Add([]byte{6, 0, 1, 0, 1, 2, 0, 0, 12, 0, 7, 0, 'w', 'l', 'c', 0, 0, 0, 0, 0})
	f.Add([]byte{3, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var got, want strings.Builder
		ours := attributes{rest: b}
		for ours.Next() {
			fmt.Fprintf(&got, "%d %x\n", ours.Type(), ours.Bytes())
		}
		theirs, err := netlink.NewAttributeDecoder(b)
		if err == nil {
			for theirs.Next() {
				fmt.Fprintf(&want, "%d %x\n", theirs.Type(), theirs.Bytes())
			}
			err = theirs.Err()
		}
		if ours.err == nil && (err != nil || got.String() != want.String()) {
			t.Errorf("%x: we read %v\n%sthe library %v\n%s", b, ours.err, got.String(), err, want.String())
		}
	})
}
