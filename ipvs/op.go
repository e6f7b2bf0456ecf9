package ipvs

import "encoding/json"

// Action is the kind of an [Op].
type Action uint8

// The six things that can be done to a table.
const (
	AddService Action = iota + 1
	EditService
	DeleteService
	AddServer
	EditServer
	DeleteServer
)

var actions = names[Action]{"action", []name[Action]{
	{AddService, "add-service"}, {EditService, "edit-service"}, {DeleteService, "delete-service"},
	{AddServer, "add-server"}, {EditServer, "edit-server"}, {DeleteServer, "delete-server"}}}

// String returns the name.
func (a Action) String() string { return actions.text(a) }

// MarshalText returns the name.
func (a Action) MarshalText() ([]byte, error) { return actions.marshal(a) }

// UnmarshalText reads a name.
func (a *Action) UnmarshalText(b []byte) error { return actions.unmarshal(a, b) }

// Op is one change to a table. Service.Key is always set; the rest of Service
// for AddService and EditService, Server for the three server actions (a
// deletion needs its Addr only). An edit writes the whole object: what it does
// not say is reset. Was is what an edit or a deletion replaces, for people.
type Op struct {
	Action  Action
	Service Service
	Server  Server
	Was     Was
}

// Was is the object before an [Op]: the one that the op's action is about.
type Was struct {
	Service Service
	Server  Server
}

// Key returns the service that the op is about.
func (o Op) Key() Key { return o.Service.Key }

// String returns the op as ipvsadm's arguments: "-a -t 10.9.0.100:80 -r …".
func (o Op) String() string {
	switch o.Action {
	case AddService:
		return "-A " + serviceRule(o.Service)
	case EditService:
		return "-E " + serviceRule(o.Service)
	case DeleteService:
		return "-D " + keyRule(o.Service.Key)
	case AddServer:
		return "-a " + serverRule(o.Service.Key, o.Server)
	case EditServer:
		return "-e " + serverRule(o.Service.Key, o.Server)
	case DeleteServer:
		return "-d " + keyRule(o.Service.Key) + " -r " + o.Server.Addr.String()
	}
	return o.Action.String()
}

// MarshalJSON writes the action, the objects it is about by name, and the rule;
// "was" is the rule that an edit replaces.
func (o Op) MarshalJSON() ([]byte, error) {
	v := struct {
		Action  Action `json:"action"`
		Service Key    `json:"service"`
		Server  string `json:"server,omitempty"`
		Rule    string `json:"rule"`
		Was     string `json:"was,omitempty"`
	}{Action: o.Action, Service: o.Key(), Rule: o.String()}
	switch o.Action {
	case AddServer, EditServer, DeleteServer:
		v.Server = o.Server.Addr.String()
	}
	switch o.Action {
	case EditService:
		v.Was = serviceRule(o.Was.Service)
	case EditServer:
		v.Was = serverRule(o.Key(), o.Was.Server)
	}
	return json.Marshal(v)
}
