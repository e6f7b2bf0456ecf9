// Package lan makes an Ethernet segment of network namespaces for the tests of any
// package: hosts with one interface each, joined by a bridge in a namespace of its
// own. Nothing of it exists outside, and it is gone when the test ends. It imports
// nothing of the module, so that whoever is tested may be anybody.
package lan
