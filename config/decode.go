package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The raw shapes mirror the text: every key is an opt, a list or a pointer to a table, so
// that "not set" and "set to zero" differ, and every value remembers its node, so that a
// finding made long after decoding still knows its place.

// opt is a value that may be absent.
type opt[T any] struct {
	Value T
	Node  *node // nil: not set
}

func (o opt[T]) set() bool { return o.Node != nil }

// or returns the value, or fallback if it is not set.
func (o opt[T]) or(fallback T) T {
	if o.set() {
		return o.Value
	}
	return fallback
}

// list is an array, of scalars or of tables, that may be absent.
type list[T any] struct {
	Items []T
	Node  *node // nil: not set
}

func (l list[T]) set() bool { return l.Node != nil }

// values returns the values of a list of scalars.
func values[T any](l list[opt[T]]) []T {
	out := make([]T, len(l.Items))
	for i, o := range l.Items {
		out[i] = o.Value
	}
	return out
}

// decodable is a raw shape that reads itself from a node.
type decodable interface{ decode(*report, *node) }

// decode reads n into the raw shape that p points to. It reports everything that does not
// fit, at its place, and goes on: what did not fit stays unset.
func decode(r *report, n *node, p any) {
	if d, ok := p.(decodable); ok {
		d.decode(r, n)
		return
	}
	decodeTable(r, n, reflect.ValueOf(p).Elem())
}

// decodeTable reads a table into a struct. A field's tag `toml:"name"` names its key;
// words after the name are spellings of other programs, proposed when one is found.
func decodeTable(r *report, n *node, v reflect.Value) {
	if n.kind != table {
		hint := ""
		if n.kind == array && len(n.members) > 0 && n.members[0].kind == table {
			hint = fmt.Sprintf("write [%[1]s] once, not [[%[1]s]]", n.header())
		}
		r.errorHint(n, hint, "%s: must be a table, not %s", n.label(), n.describe())
		return
	}
	shape := shapes()[v.Type()]
	v.Field(shape.node).Set(reflect.ValueOf(n))
	for _, member := range n.members {
		i, known := shape.fields[member.name]
		if !known {
			r.add(Diagnostic{
				Message: fmt.Sprintf("unknown key %q", member.name),
				Hint:    proposal(member.name, v.Type()),
			}, member, member.key)
			continue
		}
		dst := v.Field(i)
		if dst.Kind() == reflect.Pointer {
			if member.kind == table {
				dst.Set(reflect.New(dst.Type().Elem()))
				decode(r, member, dst.Interface())
			} else {
				decodeTable(r, member, reflect.New(dst.Type().Elem()).Elem()) // reports the mismatch
			}
			continue
		}
		decode(r, member, dst.Addr().Interface())
	}
}

// shape is where a struct has what is in a table.
type shape struct {
	node   int            // number of the field for the table's own place
	fields map[string]int // of those for its keys, by name
	places []int          // of each field that is no table, in it: number of the one for its place
}

// shapes are those of all raw tables. To work one out for each of thousands of tables would
// cost more than all the rest.
var shapes = sync.OnceValue(func() map[reflect.Type]shape {
	all := make(map[reflect.Type]shape)
	addShapes(all, reflect.TypeFor[rawConfig]())
	return all
})

func addShapes(all map[reflect.Type]shape, t reflect.Type) {
	if _, known := all[t]; known || t.Kind() != reflect.Struct {
		return
	}
	s := shape{fields: make(map[string]int)}
	all[t] = s
	s.places = make([]int, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Type.Kind() == reflect.Struct {
			if place, ok := f.Type.FieldByName("Node"); ok {
				s.places[i] = place.Index[0]
			}
		}
		if name, _, _ := strings.Cut(f.Tag.Get("toml"), " "); name != "" {
			s.fields[name] = i
		}
		switch {
		case f.Name == "Node":
			s.node = i
		case f.Type.Kind() == reflect.Pointer:
			addShapes(all, f.Type.Elem())
		case strings.HasPrefix(f.Type.Name(), "list["):
			items, _ := f.Type.FieldByName("Items")
			addShapes(all, items.Type.Elem())
		}
	}
	all[t] = s
}

func (l *list[T]) decode(r *report, n *node) {
	if n.kind != array {
		hint := ""
		if _, scalars := any(new(T)).(decodable); scalars {
			hint = "write it in brackets: [ … ]"
		} else if n.kind == table {
			hint = fmt.Sprintf("it is a list: write [[%s]]", n.header())
		}
		r.errorHint(n, hint, "%s: must be an array, not %s", n.label(), n.describe())
		return
	}
	l.Node = n
	l.Items = make([]T, len(n.members))
	for i, item := range n.members {
		decode(r, item, &l.Items[i])
	}
}

func (o *opt[T]) decode(r *report, n *node) {
	if err := decodeScalar(any(&o.Value), n); err != nil {
		r.errorHint(n, err.hint, "%s", err.message)
		return
	}
	o.Node = n
}

// mismatch is a scalar that is not what its key wants.
type mismatch struct{ message, hint string }

// decodeScalar reads a scalar into *string, *Secret, *bool, *int, *float64, *time.Duration
// or an encoding.TextUnmarshaler, which is given the decimal text of an integer.
func decodeScalar(p any, n *node) *mismatch {
	switch p := p.(type) {
	case *string:
		s, ok := n.str()
		if !ok {
			return n.mustBe("a string", "")
		}
		*p = s
	case *Secret:
		s, ok := n.str()
		if !ok {
			return &mismatch{n.label() + ": must be a string in quotes", ""} // and is not repeated here
		}
		*p = NewSecret(s)
	case *bool:
		b, ok := n.data.(bool)
		if !ok {
			return n.mustBe("true or false", "")
		}
		*p = b
	case *int:
		i, ok := n.data.(int64)
		if !ok {
			return n.mustBe("a whole number", "")
		}
		*p = int(max(math.MinInt32, min(i, math.MaxInt32))) // no limit of ours lies beyond
	case *float64:
		switch x := n.data.(type) {
		case float64:
			*p = x
		case int64:
			*p = float64(x)
		default:
			return n.mustBe("a number", "")
		}
	case *time.Duration:
		return decodeDuration(p, n)
	case encoding.TextUnmarshaler:
		var text string
		if s, ok := n.str(); ok {
			text = s
		} else if i, ok := n.data.(int64); ok {
			text = strconv.FormatInt(i, 10)
		} else {
			return n.mustBe("a string or a whole number", "")
		}
		if err := p.UnmarshalText([]byte(text)); err != nil {
			return &mismatch{err.Error(), ""} // the types name themselves
		}
	default:
		panic(fmt.Sprintf("config: no way to decode %T", p))
	}
	return nil
}

// decodeDuration reads a time as people write it: a string with a unit.
func decodeDuration(p *time.Duration, n *node) *mismatch {
	s, ok := n.str()
	if !ok {
		hint := ""
		if i, isInt := n.data.(int64); isInt && i >= 0 && i < 1e6 {
			hint = fmt.Sprintf("write %q", strconv.FormatInt(i, 10)+"s")
		}
		return n.mustBe(`a duration in quotes, such as "1s" or "250ms"`, hint)
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return &mismatch{fmt.Sprintf(`%s: %.40q is not a duration such as "1s", "250ms" or "5m"`, n.label(), s), ""}
	}
	*p = d
	return nil
}

// mustBe says that a value is of another kind than it must be.
func (n *node) mustBe(what, hint string) *mismatch {
	return &mismatch{fmt.Sprintf("%s: must be %s, not %s", n.label(), what, n.describe()), hint}
}

// describe says what a node is, for "must be …, not …".
func (n *node) describe() string {
	switch n.kind {
	case table:
		return "a table"
	case array:
		return "an array"
	}
	if s, ok := n.str(); ok {
		return fmt.Sprintf("the string %.40q", s)
	}
	switch x := n.data.(type) {
	case int64:
		return fmt.Sprintf("the number %d", x)
	case float64:
		text := strconv.FormatFloat(x, 'g', -1, 64)
		if x == math.Trunc(x) && !strings.ContainsAny(text, "eIN") {
			text += ".0" // else it looks like the whole number that it is not
		}
		return "the number " + text
	case bool:
		return strconv.FormatBool(x)
	}
	return "a date"
}

// inherit sets every key that is not set in dst, a pointer to a raw shape, from src, of
// the same type: tables key by key, everything else, arrays among it, as a whole.
func inherit(dst, src any) {
	inheritTable(reflect.ValueOf(dst).Elem(), reflect.ValueOf(src).Elem())
}

func inheritTable(dst, src reflect.Value) {
	shape := shapes()[dst.Type()]
	for i := range dst.NumField() {
		d, s := dst.Field(i), src.Field(i)
		switch {
		case i == shape.node: // the table's own place
		case d.Kind() == reflect.Pointer:
			if d.IsNil() {
				d.Set(s)
			} else if !s.IsNil() {
				inheritTable(d.Elem(), s.Elem())
			}
		case d.Field(shape.places[i]).IsNil():
			d.Set(s)
		}
	}
}
