// Package keyfile keeps the keys of an installation as files of a directory,
// numbered in the order they came.
package keyfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"assay/internal/fault"
)

// List names the key files of that ending ("." included), oldest first.
func List(dir, ending string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"+ending))
	slices.Sort(files) // names begin with a running number
	return files, err
}

// Read returns what a key file holds, without the space around it. Invalid
// when others than its owner may read it; what names the key for people.
func Read(file, what string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fault.Say(fault.Invalid, "The %s %s may be read by others; give it mode 0600.", what, file)
	}
	text, err := os.ReadFile(file)
	return strings.TrimSpace(string(text)), err
}

// Next is the path, without its ending, of the key that comes after those of
// that ending.
func Next(dir, ending, id string) (string, error) {
	files, err := List(dir, ending)
	if err != nil {
		return "", err
	}
	next := 1
	if len(files) > 0 {
		fmt.Sscanf(filepath.Base(files[len(files)-1]), "%d", &next)
		next++
	}
	return filepath.Join(dir, fmt.Sprintf("%04d-%s", next, id)), nil
}

// WriteOnce writes a file that must not exist yet, whole or not at all, so that
// another program never reads half a key.
func WriteOnce(name, text string, mode os.FileMode) error {
	file, err := os.CreateTemp(filepath.Dir(name), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Chmod(mode), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Link(file.Name(), name)
}
