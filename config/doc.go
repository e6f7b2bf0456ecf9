// Package config reads lbha's configuration: TOML text in, one validated Config out, or
// every fault of every file with its place.
package config
