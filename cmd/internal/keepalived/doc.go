// Package keepalived reads keepalived's configuration language and says the same in
// lbha's: the command `lbha import`.
//
// # The way of a word
//
//	parse     text → statements     words, blocks, comments, include, $definitions (parse.go)
//	convert   statements → lines    of TOML, each with the place that it comes from (vrrp.go, service.go, check.go)
//	settle    lines → lines         what lbha refuses is taken out, and told (settle.go)
//
// Nothing is lost in silence. A statement ends in the result, or in a [Note] with its file
// and line: unknown words, words without an equivalent, words that lbha refuses in this
// place, and definitions that nothing uses. That the result loads is not hoped for but asked, of package config, until it does.
//
// # What differs
//
// Defaults that differ are written out: version 2 of VRRP on IPv4, the times and counts of scripts
// and of each type of check, servers that count as healthy until their first check. Where
// keepalived has the opposite of a condition and lbha has not, the condition goes as well. A certificate is not verified by
// keepalived, so it is not by what comes of it; a note says so.
package keepalived
