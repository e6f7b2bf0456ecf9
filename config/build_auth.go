package config

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/lbha/lbha/vrrp"
)

// Limits of hmac's window: see [Auth.Window].
const (
	minWindow        = time.Second
	maxWindow        = 300 * time.Second
	leastWindow      = 5 * time.Second // of what follows from the interval
	windowIntervals  = 3
	keyOfSoleKey     = 1
	maxCredentialLen = 255 // a file name
)

// auth reads how adverts are authenticated.
func (b *builder) auth(raw *rawVRRP, in *Instance) Auth {
	a := raw.Auth
	if a == nil {
		return Auth{Type: AuthNone}
	}
	out := Auth{Type: AuthType(b.choice(a.Type, string(AuthNone), string(AuthNone), string(AuthPass), string(AuthHMAC)))}
	sole := ownOf(raw.Node, []*node{a.Key.Node, a.KeyFile.Node, a.Credential.Node, a.Keys.Node})
	switch {
	case len(sole) > 1:
		b.error(sole[1], "%s: the key is given already, as %s", sole[1].label(), sole[0].label())
		return out
	case out.Type == AuthNone:
		if len(sole) > 0 {
			b.error(sole[0], "%s: needs type = %q or %q", sole[0].label(), AuthPass, AuthHMAC)
		}
		return out
	case out.Type != AuthPass && out.Type != AuthHMAC:
		return out // reported
	case out.Type == AuthPass && raw.Version.or(vrrp.Version3) != vrrp.Version2:
		b.errorHint(a.Type.Node, "set version = 2, or use hmac", "auth: version 3 has no password")
	}
	if len(sole) == 0 {
		if a.Node.lacks("key_file") && a.Node.lacks("credential") && a.Node.lacks("keys") {
			b.need(a.Node, nil, "key", `or "key_file", "credential"`)
		}
		return out
	}
	where := sole[0]
	if out.Type == AuthPass {
		for _, n := range []*node{a.Keys.Node, a.Active.Node, a.Mode.Node, a.Replay.Node, a.Window.Node} {
			if n.within(raw.Node) {
				b.error(n, "%s: a setting of hmac, not of pass", n.label())
			}
		}
		if where == a.Keys.Node {
			return out
		}
		out.Key = b.secret(where, a.Key, a.KeyFile, a.Credential)
		if n := len(out.Key.Reveal()); !out.Key.IsZero() && n > 8 || a.Key.set() && n == 0 {
			b.errorHint(where, "longer ones were always cut, so that two different ones matched", "%s: a password has 1 to 8 bytes, not %d", where.label(), n)
		}
		return out
	}
	b.hmac(raw, in, where, &out)
	return out
}

// hmac fills in the keys and the settings of keepalived's auth_hmac.
func (b *builder) hmac(raw *rawVRRP, in *Instance, where *node, out *Auth) {
	a := raw.Auth
	out.Active = uint8(b.number(a.Active, 0, 1, 255))
	if where == a.Keys.Node {
		out.Keys = b.authKeys(a.Keys)
	} else {
		out.Keys = []AuthKey{{keyOfSoleKey, b.hmacKey(where, a.Key, a.KeyFile, a.Credential)}}
	}
	has := false
	for _, k := range out.Keys {
		has = has || k.ID == out.Active
	}
	switch {
	case !a.Active.set() && len(out.Keys) == 1:
		out.Active = out.Keys[0].ID
	case !a.Active.set() && len(out.Keys) > 1:
		b.need(a.Node, nil, "active", "the id of the key that signs")
	case a.Active.set() && !has && len(out.Keys) > 0:
		b.error(a.Active.Node, "active: there is no key with id %d", a.Active.Value)
	}
	out.Mode = AuthMode(b.choice(a.Mode, string(AuthEnforce), string(AuthEnforce), string(AuthPermissive), string(AuthReceiveOnly)))
	out.Replay = AuthReplay(b.choice(a.Replay, string(ReplayTime), string(ReplayTime), string(ReplayMonotonic)))
	if out.Replay == ReplayMonotonic {
		if a.Window.set() && a.Window.Node.within(raw.Node) {
			b.error(a.Window.Node, "window: with replay = %q clocks are not compared", ReplayMonotonic)
		}
		return
	}
	follows := (windowIntervals*in.Interval + time.Second - 1).Truncate(time.Second)
	out.Window = b.duration(a.Window, min(max(follows, leastWindow), maxWindow), minWindow, maxWindow)
	if out.Window%time.Second != 0 {
		b.error(a.Window.Node, "window: must be whole seconds, not %s: clocks are compared in those", short(out.Window))
	}
}

// authKeys reads the keys of a list.
func (b *builder) authKeys(raw list[rawAuthKey]) []AuthKey {
	if len(raw.Items) == 0 {
		b.error(raw.Node, "keys: must have at least one key")
	}
	var out []AuthKey
	first := make(map[int]bool)
	for i := range raw.Items {
		k := &raw.Items[i]
		if k.Node == nil {
			continue
		}
		id := b.number(k.ID, 0, 1, 255)
		b.need(k.Node, k.ID.Node, "id", "1 to 255, the same on every director")
		if k.ID.set() && first[id] {
			b.error(k.ID.Node, "id: there is a key %d already", id)
		}
		first[id] = true
		sources := ownOf(k.Node, []*node{k.Key.Node, k.KeyFile.Node, k.Credential.Node})
		switch {
		case len(sources) > 1:
			b.error(sources[1], "%s: the key is given already, as %s", sources[1].label(), sources[0].label())
		case len(sources) == 1:
			out = append(out, AuthKey{uint8(id), b.hmacKey(sources[0], k.Key, k.KeyFile, k.Credential)})
		case k.Node.lacks("key_file") && k.Node.lacks("credential"):
			b.need(k.Node, nil, "key", `or "key_file", "credential"`)
		}
	}
	return out
}

// ownOf returns those of the places that are set within the table, or else all that are
// set: what a table says itself replaces what it would inherit in another form.
func ownOf(t *node, places []*node) []*node {
	var own, all []*node
	for _, n := range places {
		if n == nil {
			continue
		}
		all = append(all, n)
		if n.within(t) {
			own = append(own, n)
		}
	}
	if len(own) > 0 {
		return own
	}
	return all
}

// hmacKey reads a key of hmac.
func (b *builder) hmacKey(where *node, key opt[Secret], file, credential opt[string]) Secret {
	s := b.secret(where, key, file, credential)
	if (!s.IsZero() || where == key.Node) && !isHMACKey(s.Reveal()) {
		b.errorHint(where, `as text, or in hexadecimal after "hex:"`, "%s: an hmac key has 32 to 64 bytes", where.label())
	}
	return s
}

// isHMACKey reports whether a key as written has the right length.
func isHMACKey(key string) bool {
	if digits, isHex := strings.CutPrefix(key, "hex:"); isHex {
		return len(digits) >= 64 && len(digits) <= 128 && len(digits)%2 == 0 &&
			strings.Trim(digits, "0123456789abcdefABCDEF") == ""
	}
	return len(key) >= 32 && len(key) <= 64
}

// secret reads a key from the one of its three forms that stands at where. It is zero if
// there was none to read, which is reported.
func (b *builder) secret(where *node, key opt[Secret], file, credential opt[string]) Secret {
	var text []byte
	switch where {
	case key.Node:
		return key.Value
	case file.Node:
		text = b.readSecret(file)
	case credential.Node:
		text = b.readCredential(credential)
	}
	return NewSecret(strings.TrimRight(string(text), "\r\n"))
}

// readCredential reads a credential that systemd passed to the service (systemd.exec(5),
// LoadCredential=). Who can read it is systemd's business.
func (b *builder) readCredential(o opt[string]) []byte {
	name := o.Value
	if name == "" || len(name) > maxCredentialLen || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		b.error(o.Node, "%s: %.40q is not the name of a credential", o.Node.label(), name)
		return nil
	}
	dir := b.files.credentials()
	if dir == "" {
		b.errorHint(o.Node, "LoadCredential= of the unit passes credentials; elsewhere set CREDENTIALS_DIRECTORY", "%s: systemd passed no credentials to this process", o.Node.label())
		return nil
	}
	text, _, err := b.files.read(filepath.Join(dir, name), maxKeyFile)
	switch {
	case err != nil:
		b.error(o.Node, "%s: %s cannot be read: %s", o.Node.label(), name, reason(err))
	case len(text) == 0:
		b.error(o.Node, "%s: %s is empty", o.Node.label(), name)
	}
	return text
}
