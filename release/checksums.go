package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
)

// sumsFile contains the SHA-256 of the other files, in the form of sha256sum.
const sumsFile = "SHA256SUMS"

// checksums writes sumsFile and returns the number of files in it.
func (r *release) checksums() (int, error) {
	entries, err := os.ReadDir(r.out) // sorted
	if err != nil {
		return 0, err
	}
	text := ""
	for _, e := range entries {
		sum, err := checksum(filepath.Join(r.out, e.Name()))
		if err != nil {
			return 0, err
		}
		text += sum + "  " + e.Name() + "\n"
	}
	return len(entries), os.WriteFile(filepath.Join(r.out, sumsFile), []byte(text), 0o644)
}

// checksum returns the SHA-256 of a file as hexadecimal digits.
func checksum(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sha256.Sum256(content)), nil
}
