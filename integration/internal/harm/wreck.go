package harm

import (
	"bytes"
	"math/rand/v2"
	"os"

	"golang.org/x/sys/unix"
)

// garbageSize is that of a file of garbage: as long as a configuration.
const garbageSize = 4096

// Wreck puts something else in the place of a configuration that has a text: what the language says of `reload DIRECTOR from`.
func Wreck(path, text, what string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	content := []byte(text)
	switch what {
	case "missing":
		return nil
	case "directory":
		return os.Mkdir(path, 0o755)
	case "fifo":
		return unix.Mkfifo(path, 0o644)
	case "empty":
		content = nil
	case "half":
		// In the middle of a line: what ends between two may be a good configuration.
		half := len(content) / 2
		content = content[:half+max(bytes.IndexByte(content[half:], '='), 0)]
	case "garbage":
		content = make([]byte, garbageSize)
		random := rand.NewChaCha8([32]byte{})
		_, _ = random.Read(content) // never fails
	}
	return os.WriteFile(path, content, 0o644)
}
