package config

import (
	"slices"
	"strconv"
	"strings"
)

// node is one value of a TOML document with its place in the text. There is one for each of
// tens of thousands of values: it is small.
type node struct {
	parent *node  // nil: the document
	name   string // key in parent, if parent is a table; of a document, its file
	// members are those of a table, in the order of the text, or the items of an array.
	members []*node
	text    string // of a scalar that is a string
	data    any    // of any other scalar: int64, float64, bool or time.Time

	key   position // of the key, or of the header that opens the table
	value position // of the value
	index int32    // place in parent, if parent is an array
	kind  kind
	// A table that has its header, or is written as a value, as arrays may be, is not opened again.
	opened, written bool
}

// position is a place in a text, both counted from 1, columns in bytes.
type position struct{ line, column int32 }

func place(line, column int) position { return position{int32(line), int32(column)} }

// kind is what a node is.
type kind uint8

const (
	scalar kind = iota
	table
	array
)

// file is the file that n stands in.
func (n *node) file() string {
	for n.parent != nil {
		n = n.parent
	}
	return n.name
}

// member returns the member of a table with that name, nil if there is none. Tables have
// few: see maxMembers.
func (n *node) member(name string) *node {
	if n.kind == table {
		for _, m := range n.members {
			if m.name == name {
				return m
			}
		}
	}
	return nil
}

// byName returns the members of a table sorted by name.
func (n *node) byName() []*node {
	return slices.SortedFunc(slices.Values(n.members), func(a, b *node) int { return strings.Compare(a.name, b.name) })
}

// child returns the member of a table with that name, and makes it if there is none.
func (n *node) child(name string, at position) *node {
	n.become(table)
	c := n.member(name)
	if c == nil {
		c = n.adopt(&node{name: name}, at)
	}
	return c
}

// grow appends an item to an array.
func (n *node) grow(at position) *node {
	n.become(array)
	return n.adopt(new(node), at)
}

// adopt appends a new node to the members of a table or an array.
func (n *node) adopt(c *node, at position) *node {
	c.key, c.value, c.parent, c.index = at, at, n, int32(len(n.members))
	n.members = append(n.members, c)
	return c
}

// nursery makes nodes and room for their first members, many at a time: to ask for each alone
// is a great part of what it costs to read a large configuration.
type nursery struct {
	nodes []node
	room  []*node
}

const (
	litter = 128 // nodes made at a time
	few    = 4   // members that most tables do not exceed
)

func (y *nursery) fresh() *node {
	if len(y.nodes) == 0 {
		y.nodes = make([]node, litter)
	}
	n := &y.nodes[0]
	y.nodes = y.nodes[1:]
	return n
}

// adopt makes a node and appends it to the members of n.
func (y *nursery) adopt(n *node, name string, at position) *node {
	if n.members == nil {
		if len(y.room) == 0 {
			y.room = make([]*node, litter*few)
		}
		n.members, y.room = y.room[:0:few], y.room[few:]
	}
	c := y.fresh()
	c.name = name
	return n.adopt(c, at)
}

// str returns the string that n is, if it is one.
func (n *node) str() (string, bool) { return n.text, n.kind == scalar && n.data == nil }

func (n *node) become(k kind) {
	if n.kind != k {
		n.kind, n.members = k, nil
	}
}

// path names the node from the root: service[2].server[0].address.
func (n *node) path() string {
	if n == nil || n.parent == nil {
		return ""
	}
	if n.parent.kind == array {
		return n.parent.path() + "[" + strconv.Itoa(int(n.index)) + "]"
	}
	if up := n.parent.path(); up != "" {
		return up + "." + n.name
	}
	return n.name
}

// header is the path without indices, as a header names a table.
func (n *node) header() string {
	switch {
	case n.parent == nil:
		return ""
	case n.parent.kind == array:
		return n.parent.header()
	case n.parent.parent == nil:
		return n.name
	}
	return n.parent.header() + "." + n.name
}

// label names the node in a message: its key, with the index of an item.
func (n *node) label() string {
	switch {
	case n.parent == nil:
		return ""
	case n.parent.kind == array:
		return n.parent.label() + "[" + strconv.Itoa(int(n.index)) + "]"
	}
	return n.name
}

// within reports whether n is t or lies in t.
func (n *node) within(t *node) bool {
	for ; n != nil; n = n.parent {
		if n == t {
			return true
		}
	}
	return false
}

// attach fills the values that BurntSushi/toml gives, without places, into the tree of
// places. Where scan knows no place, the nearest parent's serves.
func (n *node) attach(value any) {
	switch v := value.(type) {
	case map[string]any:
		n.become(table)
		for name, member := range v {
			n.child(name, n.value).attach(member)
		}
	case []map[string]any:
		attachItems(n, v)
	case []any:
		attachItems(n, v)
	case string:
		n.kind, n.text, n.data = scalar, v, nil
	default:
		n.kind, n.data = scalar, v
	}
}

func attachItems[T any](n *node, values []T) {
	n.become(array)
	for i, v := range values {
		if i == len(n.members) {
			n.grow(n.value)
		}
		n.members[i].attach(v)
	}
}
