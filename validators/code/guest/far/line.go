//go:build wasip1

package far

import (
	"strconv"
	"unsafe"
)

// The host carries messages: a letter, and what belongs to it. It holds one
// back until it is taken.

//go:wasmimport assay send
func hostSend(at unsafe.Pointer, size uint32)

//go:wasmimport assay wait
func hostWait() uint32

//go:wasmimport assay take
func hostTake(at unsafe.Pointer)

// Messages: a call and its answer cross to the other side, a report goes to
// the host.
const (
	asked    = 'A'
	answered = 'B'
	reported = 'R'
)

func send(kind byte, body []byte) {
	message := append([]byte{kind}, body...)
	hostSend(unsafe.Pointer(unsafe.SliceData(message)), uint32(len(message)))
}

// receive waits for a message; nothing means that nobody is there any more.
func receive() []byte {
	size := hostWait()
	if size == 0 {
		return nil
	}
	message := make([]byte, size)
	hostTake(unsafe.Pointer(unsafe.SliceData(message)))
	return message
}

// Report tells the host what came of the tests: held, failed, raised, gone or
// apart; what was said, and in which line of the tests.
func Report(how, said string, line, codeLine int) {
	var out []byte
	out = append(out, 't')
	out = append(out, "8:"...)
	for _, text := range []string{how, clip(said)} {
		out = packText(out, text)
	}
	out = packNumber(out, line)
	out = packNumber(out, codeLine)
	out = packText(out, clip(last[0]))
	out = packText(out, clip(last[1]))
	out = packNumber(out, calls)
	out = packNumber(out, loose)
	send(reported, out)
}

func packText(out []byte, text string) []byte {
	return append(append(strconv.AppendInt(append(out, 's'), int64(len(text)), 10), ':'), text...)
}

func packNumber(out []byte, n int) []byte {
	digits := strconv.FormatInt(int64(n), 16)
	return append(append(strconv.AppendInt(append(out, 'i'), int64(len(digits)), 10), ':'), digits...)
}

func clip(text string) string {
	if len(text) > 2000 {
		return text[:2000]
	}
	return text
}
