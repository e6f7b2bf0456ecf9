package config

// Unavailable returns one finding for each use of a feature that the configuration
// language has and this version cannot run. Such a configuration loads, so that a file
// can be written and checked ahead of the version that runs it; starting and reloading
// must refuse it.
func (c *Config) Unavailable() Diagnostics { return c.unavailable }

// The features that this version cannot run: what to call each, and where a table uses
// it, which is nil if it does not. A version that learns one deletes its line.
var (
	lackedByVRRP = []lack[rawVRRP]{
		{"virtual_mac", func(v *rawVRRP) *node { return v.VirtualMAC.where(true) }},
		{"route", func(v *rawVRRP) *node {
			if len(v.Routes.Items) == 0 {
				return nil
			}
			return v.Routes.Node
		}},
		{"rule", func(v *rawVRRP) *node {
			if len(v.Rules.Items) == 0 {
				return nil
			}
			return v.Rules.Node
		}},
		{"the scope of an address", func(v *rawVRRP) *node {
			for _, a := range append(v.Addresses.Items[:len(v.Addresses.Items):len(v.Addresses.Items)], v.ExtraAddresses.Items...) {
				if a.Scope.set() {
					return a.Scope.Node
				}
			}
			return nil
		}},
	}
)

// lack is a feature that this version cannot run.
type lack[T any] struct {
	feature string
	usedAt  func(*T) *node
}

// where returns the place of an option that is set to v.
func (o opt[T]) where(v T) *node {
	if any(o.Value) != any(v) {
		return nil
	}
	return o.Node
}

// unavailable lists what the document, defaults applied, uses and this version lacks.
func unavailable(raw *rawConfig) Diagnostics {
	var r report
	report := func(at *node, feature string) {
		r.error(at, "%s is not available in this version", feature)
	}
	for i := range raw.VRRP.Items {
		v := &raw.VRRP.Items[i]
		find(report, lackedByVRRP, v)
	}
	return r.found
}

func find[T any](report func(*node, string), features []lack[T], use *T) {
	for _, f := range features {
		if at := f.usedAt(use); at != nil {
			report(at, f.feature)
		}
	}
}
