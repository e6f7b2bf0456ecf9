// Package script is the language of scenarios: what is done to a pair of directors, and what must be seen, in a small text file.
//
//	title      the master is killed, and returns
//	director   d1 lbha priority 150
//	director   d2 keepalived priority 100
//	interval   1s
//	length     12s
//
//	at 1s      kill d1 as crash
//	at 7s      start d1
//
//	expect     d2 is master within 3.7s of crash
//	expect     holder is d1 at end
//
// A line is a sentence of fixed words and of operands. [Forms] lists all sentences; the parser, its errors, the help and the golden test
// live on that list. Indented lines after `config NAME` are a snippet of a daemon's configuration, and lines that begin with # are
// comments.
//
// [Parse] tells all errors of a file, each with its position, those of sense among them: a director that is down cannot be killed.
// A [Scenario] is a value that knows nothing of the place where it is played. What was seen there is [stage.Evidence], and [Judge] is
// arithmetic on it.
package script
