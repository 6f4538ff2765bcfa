package redact

import (
	"bytes"
	"io"
	"slices"
	"strings"
)

// maxLine bounds what Stream holds back for the end of a line.
const maxLine = 1 << 20

// Stream redacts text that arrives in pieces. What it writes is what Text
// would have made of the whole, wherever the pieces end, as long as no line
// is longer than a megabyte. Close writes the rest; it does not close the
// writer underneath.
type Stream struct {
	p    *Policy
	w    io.Writer
	held []byte
}

// Stream returns a writer that redacts into w.
func (p *Policy) Stream(w io.Writer) *Stream { return &Stream{p: p, w: w} }

// Write takes the next piece. Whole lines go out, the rest is held.
func (s *Stream) Write(piece []byte) (int, error) {
	s.held = append(s.held, piece...)
	ready := s.ready()
	if ready == 0 {
		return len(piece), nil
	}
	if err := s.flush(ready); err != nil {
		return 0, err
	}
	return len(piece), nil
}

// Close writes what is still held.
func (s *Stream) Close() error { return s.flush(len(s.held)) }

// ready returns how much of what is held no later piece can change: whole
// lines, up to a PEM block that has not ended yet.
func (s *Stream) ready() int {
	ready := bytes.LastIndexByte(s.held, '\n') + 1
	if len(s.held)-ready > maxLine {
		if blank := bytes.LastIndexByte(s.held, ' '); blank >= ready {
			ready = blank + 1
		} else {
			ready = len(s.held)
		}
	}
	if !s.p.wants(PEM) {
		return ready
	}
	return s.beforeOpenBlock(ready)
}

// beforeOpenBlock moves ready to the start of the line in which a PEM block
// begins that ends later, or may still be ended by what has not arrived.
func (s *Stream) beforeOpenBlock(ready int) int {
	if !bytes.Contains(s.held, []byte(pemBegin)) || len(s.held) > 4*maxLine {
		return ready
	}
	text := string(s.held)
	blocks := pemSpans(text)
	for _, block := range blocks {
		closed := strings.Contains(text[block.start:block.end], "-----END ")
		outOfReach := len(text)-block.start > maxPEM+len(pemBegin)+64
		if !closed && !outOfReach {
			ready = min(ready, block.start)
		}
	}
	for _, block := range slices.Backward(blocks) {
		if block.start <= ready && ready < block.end {
			ready = strings.LastIndexByte(text[:block.start], '\n') + 1
		}
	}
	return strings.LastIndexByte(text[:ready], '\n') + 1
}

func (s *Stream) flush(n int) error {
	redacted, _ := s.p.Text(string(s.held[:n]))
	s.held = append(s.held[:0], s.held[n:]...)
	_, err := io.WriteString(s.w, redacted)
	return err
}
