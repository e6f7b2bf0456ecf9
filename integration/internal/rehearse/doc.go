// Package rehearse plays scenarios (package script) on a pair of directors, in one of several places, and reports what came of them.
//
// A [Place] has a pair, and can do to it some of what the language can say: [Lab] is the drill's network with everything in it, package clab has
// the topology of examples/containerlab, [SSH] is a real pair that is reached by ssh. A file is the same for all of them. What a place cannot do is
// an error before anything is done; [Divide] tells what is left without it.
//
// [Soak] plays scenarios that are drawn from a seed, and watches what the processes use meanwhile.
package rehearse
