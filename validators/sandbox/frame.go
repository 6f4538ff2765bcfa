package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The two ends of a child's pipes speak in frames: what it is, how long it is,
// its bytes. A child may write anything; the reader believes no length.
type frameKind byte

const (
	frameSetup  frameKind = 's' // parent: what to be, with which limits
	frameReady  frameKind = 'r' // child: locked down and waiting
	frameJob    frameKind = 'j' // parent: a job's input
	frameOutput frameKind = 'o' // child: a job's output
	frameFault  frameKind = 'f' // child: why there is none; a fault of ours
)

const frameHead = 5

// errTooLong is a frame longer than the reader takes.
var errTooLong = errors.New("longer than the limit")

func writeFrame(w io.Writer, kind frameKind, body []byte) error {
	// One write for small frames; a large body is not copied for it.
	head := make([]byte, frameHead, frameHead+min(len(body), 4096))
	head[0] = byte(kind)
	binary.BigEndian.PutUint32(head[1:], uint32(len(body)))
	if len(body) <= 4096 {
		_, err := w.Write(append(head, body...))
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(body)
	return err
}

// readFrame reads one frame of at most limit bytes. The buffer grows with what
// arrives, not with what was announced.
func readFrame(r io.Reader, limit int64) (frameKind, []byte, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	length := int64(binary.BigEndian.Uint32(head[1:]))
	if length > limit {
		return 0, nil, errTooLong
	}
	body := make([]byte, 0, min(length, 64<<10))
	for int64(len(body)) < length {
		step := min(length-int64(len(body)), max(int64(len(body)), 64<<10))
		at := len(body)
		body = append(body, make([]byte, step)...)
		if _, err := io.ReadFull(r, body[at:]); err != nil {
			return 0, nil, fmt.Errorf("read a frame of %d bytes: %w", length, err)
		}
	}
	return frameKind(head[0]), body, nil
}
