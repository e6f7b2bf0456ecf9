// Package ground looks at what a director stands on: settings of the kernel, interfaces, routes and modules that are none
// of lbha's to change, and on which it depends all the same.
//
//	ask := ground.Ask(cfg)                      which facts matter to this configuration
//	facts, err := ground.Read(ctx, ask)         what they are on this host, in this network namespace
//	findings := ground.Judge(cfg, facts)        what is wrong with them, each with its fix
//
// [Ask] and [Judge] are pure; only [Read] touches the system, and only reads. Nothing here is done on a director's loop:
// the facts are of the kind that somebody changes once a month.
//
// A finding is [Wrong] where traffic is lost for certain, [Advice] where it will be lost in a situation that comes sooner
// or later, and a [Note] where it concerns other programs on the host. `lbha doctor` shows all, with what is [Right];
// `lbha status` and the metrics show the first two.
package ground
