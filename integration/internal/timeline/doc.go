// Package timeline draws what was seen of a pair as a picture: who had the virtual address, advertisements, announcements, the
// clients' gaps, changes of the tables, and what was done, on one axis of time.
package timeline
