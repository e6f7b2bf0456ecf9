package director

import (
	"testing"

	"github.com/lbha/lbha/cmd/internal/admin"
)

// The journal says of a reload what `lbha reload` says: systemctl's caller reads nothing else.
func TestReloadEvent(t *testing.T) {
	lines := []string{"f:1:1: one", "f:2:1: two", "f:3:1: three", "f:4:1: four"}
	for _, tt := range []struct {
		result       admin.ReloadResult
		reason, want string
	}{
		{admin.ReloadResult{OK: true, Applied: true, Hash: "0123456789abcdef"}, "reloaded", "configuration 0123456789ab is in force, 0 changes"},
		{admin.ReloadResult{OK: true, Applied: true, Hash: "0123456789abcdef", Warnings: lines[:1]}, "reloaded", "configuration 0123456789ab is in force, 0 changes; f:1:1: one"},
		{admin.ReloadResult{Error: "4 errors", Diagnostics: lines}, "refused", "configuration unchanged: 4 errors; f:1:1: one; f:2:1: two; f:3:1: three; and 1 more"},
	} {
		if e := reloadEvent(&tt.result); e.Reason != tt.reason || e.Message != tt.want {
			t.Errorf("%s: %q, want %q", e.Reason, e.Message, tt.want)
		}
	}
}
