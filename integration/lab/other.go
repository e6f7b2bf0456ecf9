//go:build !linux

package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Fprintln(os.Stderr, "lab: the lab needs Linux, and this is "+runtime.GOOS)
	os.Exit(1)
}
