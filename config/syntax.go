package config

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// syntaxError tells of a text that is not TOML, in our words where the parser's are no help to somebody who does not know TOML.
func syntaxError(file string, text []byte, err toml.ParseError) Diagnostic {
	at := placeOf(text, err.Position.Start) // its line is one too low at the end of a text
	d := Diagnostic{File: file, Line: int(at.line), Column: int(at.column), Message: err.Message, Severity: Error}
	key, found := strings.CutPrefix(err.Message, "Key '")
	key, twice := strings.CutSuffix(key, "' has already been defined.")
	switch {
	case found && twice:
		d.Message = fmt.Sprintf("key %q is set already", key)
	case ofKeepalived(text):
		d.Hint = "a configuration of keepalived? lbha import turns it into one of lbha"
	case strings.HasPrefix(err.Message, "expected value but found"):
		d.Hint = "text stands in quotes"
	}
	return d
}

// ofKeepalived reports whether a line of text begins as only keepalived's blocks do.
func ofKeepalived(text []byte) bool {
	for line := range bytes.Lines(text) {
		words := bytes.Fields(line)
		if len(words) == 0 {
			continue
		}
		switch string(bytes.TrimRight(words[0], "{")) {
		case "global_defs", "vrrp_instance", "vrrp_sync_group", "vrrp_script", "virtual_server", "virtual_server_group":
			return true
		}
	}
	return false
}
