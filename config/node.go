package config

import "strconv"

// node is one value of a TOML document with its place in the text. The decoder of
// BurntSushi/toml gives values without places, scan gives places without values; attach
// joins the two, and all that follows works on nodes.
type node struct {
	file   string
	key    position // of the key, or of the header that opens the table
	value  position // of the value
	parent *node    // nil: the document
	name   string   // key in parent, if parent is a table
	index  int      // place in parent, if parent is an array

	table map[string]*node // not nil: a table
	items []*node          // of an array
	data  any              // of a scalar: string, int64, float64, bool or time.Time
	kind  kind
}

// position is a place in a text, both counted from 1, columns in bytes.
type position struct{ line, column int }

// kind is what a node is.
type kind uint8

const (
	scalar kind = iota
	table
	array
)

// child returns the member of a table with that name, and makes it if there is none.
func (n *node) child(name string, at position) *node {
	n.become(table)
	c := n.table[name]
	if c == nil {
		c = &node{file: n.file, key: at, value: at, parent: n, name: name}
		n.table[name] = c
	}
	return c
}

// grow appends an item to an array.
func (n *node) grow(at position) *node {
	n.become(array)
	c := &node{file: n.file, key: at, value: at, parent: n, index: len(n.items)}
	n.items = append(n.items, c)
	return c
}

func (n *node) become(k kind) {
	n.kind = k
	if k == table && n.table == nil {
		n.table = make(map[string]*node)
	}
}

// path names the node from the root: service[2].server[0].address.
func (n *node) path() string {
	if n == nil || n.parent == nil {
		return ""
	}
	if n.parent.kind == array {
		return n.parent.path() + "[" + strconv.Itoa(n.index) + "]"
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
		return n.name
	case n.parent.kind == array:
		return n.parent.header()
	case n.parent.parent == nil:
		return n.name
	}
	return n.parent.header() + "." + n.name
}

// label names the node in a message: its key, with the index of an item.
func (n *node) label() string {
	if n.parent != nil && n.parent.kind == array {
		return n.parent.label() + "[" + strconv.Itoa(n.index) + "]"
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

// attach fills the values into the tree of places. Where scan knows no place, the
// nearest parent's serves.
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
	default:
		n.kind, n.data = scalar, v
	}
}

func attachItems[T any](n *node, values []T) {
	n.become(array)
	for i, v := range values {
		if i == len(n.items) {
			n.grow(n.value)
		}
		n.items[i].attach(v)
	}
}
