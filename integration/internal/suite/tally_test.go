package suite

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The host's run: one test of each kind, a skipped subtest, a package that does not build, and one whose process ends.
const host = `{"Action":"run","Package":"a","Test":"TestGood"}
{"Action":"output","Package":"a","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"pass","Package":"a","Test":"TestGood","Elapsed":0.1}
{"Action":"output","Package":"a","Test":"TestBad","Output":"    a_test.go:9: it broke\n"}
{"Action":"output","Package":"a","Test":"TestBad","Output":"--- FAIL: TestBad (0.00s)\n"}
{"Action":"fail","Package":"a","Test":"TestBad"}
{"Action":"output","Package":"a","Test":"TestKernel","Output":"    a_test.go:12: kernel has no IPVS: not here\n"}
{"Action":"skip","Package":"a","Test":"TestKernel"}
{"Action":"output","Package":"a","Test":"TestParts/tunnel","Output":"    a_test.go:30: no tunnels\n"}
{"Action":"skip","Package":"a","Test":"TestParts/tunnel"}
{"Action":"pass","Package":"a","Test":"TestParts/plain"}
{"Action":"pass","Package":"a","Test":"TestParts"}
{"Action":"output","Package":"a","Output":"FAIL\ta\t0.1s\n"}
{"Action":"fail","Package":"a"}
# b
b/x.go:1:1: syntax error
{"Action":"output","Package":"b","Output":"FAIL\tb [build failed]\n"}
{"Action":"fail","Package":"b"}
{"Action":"output","Package":"c","Test":"TestExit","Output":"=== RUN   TestExit\n"}
{"Action":"output","Package":"c","Output":"FAIL\tc\t0.0s\n"}
{"Action":"fail","Package":"c"}
{"Action":"output","Package":"d","Output":"?   \td\t[no test files]\n"}
{"Action":"skip","Package":"d"}
{"Action":"output","Package":"e","Output":"PASS\n"}
{"Action":"output","Package":"e","Output":"ok  \te\t0.2s\n"}
{"Action":"pass","Package":"e"}
`

func TestTally(t *testing.T) {
	tally := NewTally()
	var out strings.Builder
	if err := tally.Read(strings.NewReader(host), &out); err != nil {
		t.Fatal(err)
	}
	wantOut := `    a_test.go:9: it broke
--- FAIL: TestBad (0.00s)
FAIL	a	0.1s
# b
b/x.go:1:1: syntax error
FAIL	b [build failed]
FAIL	c	0.0s
ok  	e	0.2s
c TestExit did not end:
=== RUN   TestExit
`
	if diff := cmp.Diff(wantOut, out.String()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Test{{"a", "TestKernel"}, {"a", "TestParts/tunnel"}}, tally.Skipped()); diff != "" {
		t.Error(diff)
	}
	if got := tally.Reason(Test{"a", "TestKernel"}); got != "kernel has no IPVS: not here" {
		t.Errorf("reason %q", got)
	}
	// Failed: TestBad, TestExit, and the packages b and c.
	if pass, fail, skip := tally.Count(); pass != 2 || fail != 4 || skip != 2 {
		t.Errorf("%d passed, %d failed, %d skipped; want 2, 4, 2", pass, fail, skip)
	}
	if diff := cmp.Diff([]string{"b", "c"}, tally.Broken()); diff != "" {
		t.Error(diff)
	}

	// Inside, what was skipped runs: one passes, the other fails.
	const inside = `{"Action":"pass","Package":"a","Test":"TestKernel"}
{"Action":"pass","Package":"a","Test":"TestParts/tunnel"}
{"Action":"fail","Package":"a","Test":"TestParts"}
{"Action":"skip","Package":"a","Test":"TestGood"}
`
	if err := tally.Read(strings.NewReader(inside), &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Test(nil), tally.Skipped()); diff != "" {
		t.Error(diff)
	}
	if pass, fail, skip := tally.Count(); pass != 2 || fail != 5 || skip != 0 {
		t.Errorf("%d passed, %d failed, %d skipped; want 2, 5, 0", pass, fail, skip)
	}
}

func TestPattern(t *testing.T) {
	tests := []Test{{"a", "TestX/one"}, {"a", "TestX/two"}, {"a", "TestY"}, {"b", "TestZ"}}
	want := []Binary{{Package: "a", Run: "^(TestX|TestY)$"}, {Package: "b", Run: "^(TestZ)$"}}
	if diff := cmp.Diff(want, binaries(tests)); diff != "" {
		t.Error(diff)
	}
}
