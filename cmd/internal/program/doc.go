// Package program runs the commands that a configuration names for an instance: what it tracks by script, and what it
// is to be told of.
//
// A program is run without a shell, as a user of its own, without input, with nothing of our environment, and in a
// process group of its own, which is killed at the deadline, and when the program itself has ended: nothing of it stays.
// The program itself does not outlive the director either. Of its output the first line is kept.
//
// Whether a program may be run is asked again before each run (see [config.CheckProgram]): what everybody can write to
// is not run, whoever made it so after the configuration was loaded.
package program
