package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// differences lists the settings in which two values of one struct type differ, named by
// their JSON tags, without the named ones.
func differences[T any](old, new T, except ...string) []Field {
	return structDifferences("", reflect.ValueOf(old), reflect.ValueOf(new), except)
}

func structDifferences(prefix string, old, new reflect.Value, except []string) []Field {
	var out []Field
	for i := range old.NumField() {
		if old.Type().Field(i).Anonymous { // its settings are those of the struct
			out = append(out, structDifferences(prefix, old.Field(i), new.Field(i), except)...)
			continue
		}
		name := settingName(old.Type().Field(i))
		if !slices.Contains(except, name) {
			out = append(out, valueDifferences(prefix+name, old.Field(i), new.Field(i))...)
		}
	}
	return out
}

func valueDifferences(name string, old, new reflect.Value) []Field {
	switch {
	case reflect.DeepEqual(old.Interface(), new.Interface()):
		return nil
	case isLeaf(old):
	case old.Kind() == reflect.Struct:
		return structDifferences(name+".", old, new, nil)
	case old.Kind() == reflect.Pointer && !old.IsNil() && !new.IsNil():
		return valueDifferences(name, old.Elem(), new.Elem())
	case old.Kind() == reflect.Slice && !isLeaf(reflect.Zero(old.Type().Elem())):
		return listDifferences(name, old, new)
	}
	return []Field{{Name: name, Old: render(old), New: render(new)}}
}

// listDifferences compares lists of structs, place by place. Such a list is named in the
// plural, and its only member in the singular, as in the file.
func listDifferences(name string, old, new reflect.Value) []Field {
	var out []Field
	for i := range max(old.Len(), new.Len()) {
		item := fmt.Sprintf("%s[%d]", name, i)
		if old.Len() <= 1 && new.Len() <= 1 {
			item = strings.TrimSuffix(name, "s")
		}
		switch {
		case i >= old.Len():
			out = append(out, Field{Name: item, New: render(new.Index(i))})
		case i >= new.Len():
			out = append(out, Field{Name: item, Old: render(old.Index(i))})
		default:
			out = append(out, valueDifferences(item, old.Index(i), new.Index(i))...)
		}
	}
	if len(out) == 0 { // one is nil and the other empty, which is a difference
		out = []Field{{Name: name, Old: presence(old), New: presence(new)}}
	}
	return out
}

func presence(list reflect.Value) string {
	if list.IsNil() {
		return "inherited"
	}
	return "none"
}

// isLeaf reports whether a value is rendered as a whole: it has a text of its own, or no
// parts.
func isLeaf(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice:
		return false
	case reflect.Struct:
		switch v.Interface().(type) {
		case encoding.TextMarshaler, fmt.Stringer:
			return true
		}
		return false
	}
	return true
}

// render writes a value for people; what is absent is "".
func render(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return short(x)
	case fmt.Stringer:
		if v.Kind() != reflect.Pointer {
			return x.String()
		}
	case encoding.TextMarshaler:
		if text, err := x.MarshalText(); err == nil {
			return string(text)
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return ""
		}
		return render(v.Elem())
	case reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = render(v.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Struct:
		var parts []string
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() {
				parts = append(parts, strings.TrimPrefix(settingName(v.Type().Field(i))+" "+render(f), " ")) // one embedded has no name
			}
		}
		return strings.Join(parts, ", ")
	case reflect.String:
		if v.Len() == 0 || strings.ContainsAny(v.String(), " ,") {
			return fmt.Sprintf("%q", v.String())
		}
	}
	return fmt.Sprint(v.Interface())
}

// join renders a list of things, and no more than a line of it.
func join[T any](items []T) string {
	const most = 6
	if len(items) <= most {
		return render(reflect.ValueOf(items))
	}
	return fmt.Sprintf("%s and %d more", render(reflect.ValueOf(items[:most])), len(items)-most)
}

// settingName is a field's name in the file, which is its name in JSON.
func settingName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
