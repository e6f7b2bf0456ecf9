// Package peers is the channel on which directors tell each other what their checks find:
// the actor and its socket around package exchange, which has the form of a datagram and
// says what may be believed of one.
//
// Each director tells what it has seen with its own eyes, and never what it was told. A
// verdict that changes is told at once; everything is told again every five seconds, a
// share each quarter of a second, so that ten thousand checks are no burst and a lost
// datagram is made up for. Who is heard for the first time is told everything at once, in
// portions. Who has nothing to tell says so, for the others to know that he hears them.
// Nothing is acknowledged, nothing is awaited, and nothing is held for who does not listen.
//
// What is heard is only kept, in a table that is as large as ours of checks: it is for the
// director to ask for it when it becomes master. Whatever happens here, ours stand.
//
// One goroutine owns all of it; one more reads the socket. A change of the configuration
// goes in two steps, as a reload does: [Channel.Prepare] opens what is new and may fail,
// [Change.Commit] cannot.
package peers
