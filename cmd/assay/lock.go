package main

import (
	"os"
	"path/filepath"
	"syscall"
	"time"

	"assay/internal/fault"
)

// lockDirectory makes a data directory and keeps it for this process: two
// products on one directory would fight over its engines.
func lockDirectory(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	// A program that was killed may leave a child that has not become its
	// engine yet and still holds the lock for a moment.
	for patience := time.Now().Add(3 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			return func() { file.Close() }, nil
		}
		if time.Now().After(patience) {
			file.Close()
			return nil, fault.Say(fault.Conflict, "Another assay is running on %s; stop it or choose another --data.", dir)
		}
	}
}
