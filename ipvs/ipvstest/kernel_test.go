package ipvstest

import (
	"testing"

	"github.com/lbha/lbha/ipvs"
)

func TestConformance(t *testing.T) {
	Conformance(t, func(*testing.T) ipvs.Kernel { return NewKernel() })
}

func TestConvergence(t *testing.T) {
	Convergence(t, func(*testing.T) ipvs.Kernel { return NewKernel() })
}
