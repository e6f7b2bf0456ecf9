// Package load holds the lab's clients, the judges of every outage, and the arithmetic on what they saw.
//
// A client is a process of its own in the client's namespace: one thread, one epoll loop, no allocation after its start, so that
// neither its collector nor its scheduler shows up as an outage. It records each attempt in a ring in shared memory
// ([Record]); the drill reads the ring whenever it likes, and the client never notices.
//
//   - [TCP] opens a connection every 2 ms, sends a request, reads the answer and resets the connection: nothing of it
//     remains, so that ports never run out.
//   - [UDP] sends a datagram each millisecond and takes the answers of [Echo].
//
// An attempt that a stalled client could not start in time is not made up for: a burst would measure the burst.
package load
