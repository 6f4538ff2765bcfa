package wasm

import (
	"golang.org/x/sys/unix"

	"github.com/tetratelabs/wazero/experimental"
)

// mapped gives each guest a memory that is reserved once and comes to life as
// it grows: nothing is copied, and nothing of it is seen by Go's collector.
func mapped(limit uint64) experimental.MemoryAllocator {
	return experimental.MemoryAllocatorFunc(func(_, maximum uint64) experimental.LinearMemory {
		size := min(limit, maximum)
		space, err := unix.Mmap(-1, 0, int(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
		if err != nil {
			panic("cannot allocate memory for a guest: " + err.Error())
		}
		return &memory{space: space}
	})
}

type memory struct {
	space []byte
	alive uint64
}

// Reallocate makes the first size bytes usable; nil refuses, and the guest's
// own request for memory fails.
func (m *memory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.space)) {
		return nil
	}
	if size > m.alive {
		if err := unix.Mprotect(m.space[m.alive:size:size], unix.PROT_READ|unix.PROT_WRITE); err != nil {
			return nil
		}
		m.alive = size
	}
	return m.space[:size:len(m.space)]
}

func (m *memory) Free() {
	_ = unix.Munmap(m.space)
	m.space = nil
}
