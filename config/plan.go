package config

// Plan is what a change from one configuration to another means, thing by thing. It is
// for people (String) and programs (JSON); it holds no secret.
type Plan struct {
	Global    []Field         `json:"global,omitempty"`
	Instances []Change        `json:"instances,omitempty"`
	Groups    []Change        `json:"groups,omitempty"`
	Services  []ServiceChange `json:"services,omitempty"`
}

// Op is what happens to a thing.
type Op string

// The operations of a plan.
const (
	Added   Op = "added"
	Removed Op = "removed"
	Changed Op = "changed"
)

// Change is what happens to one named thing.
type Change struct {
	Op   Op     `json:"op"`
	Name string `json:"name"`
	// Summary says in a few words what an added or removed thing is.
	Summary string `json:"summary,omitempty"`
	// Fields are the settings that differ, in the order of the struct. Changed only.
	Fields []Field `json:"fields,omitempty"`
	// NewMachine is set on a changed instance whose interface, VRID or family differs: to
	// the network that is another virtual router, so its state cannot be carried over.
	NewMachine bool `json:"new_machine,omitempty"`
}

// ServiceChange is what happens to one service and to its servers, each of which is named
// by its address.
type ServiceChange struct {
	Change
	Servers []Change `json:"servers,omitempty"`
}

// Field is one setting that differs.
type Field struct {
	Name string `json:"name"` // as in the file: "persistence.timeout"
	Old  string `json:"old"`  // "" if it was not there
	New  string `json:"new"`
	// Restart is set on a global setting that only a restart of lbha can change.
	Restart bool `json:"restart,omitempty"`
}
