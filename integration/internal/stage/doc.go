// Package stage is the lab with everything in it: the network, real servers, clients, observers, and a pair of directors; and the
// evidence of what was seen in a window of time.
//
// [Stage] is the part that acts. [Evidence] is data, with the arithmetic on it and nothing behind it: whatever judges
// a pair works on evidence alone, and is tested with evidence that was written by hand.
package stage
