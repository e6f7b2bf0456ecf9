// Package disk keeps a disk that does not answer from those who cannot wait for it.
//
// Who reads or writes a file there sleeps in the kernel until it answers, and neither a signal nor a context wakes him. So
// such work is done beside its caller ([Worker.Do]), who leaves it alone when his own time is over. A worker does one thing
// at a time: what hangs is overtaken by nothing, and costs one thread, however often somebody tries again.
package disk
