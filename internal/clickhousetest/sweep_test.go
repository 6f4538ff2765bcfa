package clickhousetest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestFoldersThatACrashLeftAreSwept(t *testing.T) {
	temporary := t.TempDir()
	folder := func(name string, age time.Duration) string {
		dir := filepath.Join(temporary, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(dir, then, then); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	left, used, fresh, foreign := folder(folders+"left", time.Hour), folder(folders+"used", time.Hour),
		folder(folders+"fresh", time.Second), folder("something-else", time.Hour)
	lock, err := os.Open(filepath.Join(used, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	sweep(temporary)
	for dir, want := range map[string]bool{left: false, used: true, fresh: true, foreign: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s: want it there: %v, got %v", filepath.Base(dir), want, err)
		}
	}
}
