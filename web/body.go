package web

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/klauspost/compress/zstd"
)

// Bounds of a batch once it is inflated. The zero value takes the defaults.
type bodyLimits struct {
	Inflated int64 // bytes; default 64 MiB
	Ratio    int64 // inflated to wire bytes; default 100
	Floor    int64 // below this many inflated bytes any ratio is let through; default 1 MiB
	Window   uint64
}

func (l bodyLimits) filled() bodyLimits {
	if l.Inflated == 0 {
		l.Inflated = 64 << 20
	}
	if l.Ratio == 0 {
		l.Ratio = 100
	}
	if l.Floor == 0 {
		l.Floor = 1 << 20
	}
	if l.Window == 0 {
		l.Window = 8 << 20
	}
	return l
}

// boundedBody returns the request's body as the sender wrote it before
// compressing: plain, gzip or zstd. It inflates as it is read and never past
// the limits, which end the read with 413; another or a second encoding is
// refused with 415 at once. The caller has checked the key already, and closes
// the reader before the handler returns.
func boundedBody(c *fiber.Ctx, limits bodyLimits) (io.ReadCloser, error) {
	limits = limits.filled()
	wire := c.Request().Body() // not c.Body(), which inflates without a limit
	bound := min(limits.Inflated, max(limits.Floor, limits.Ratio*int64(len(wire))))
	inflated, err := inflate(bytes.NewReader(wire), encodingOf(c), limits)
	if err != nil {
		return nil, err
	}
	return &boundedReader{from: inflated, left: bound}, nil
}

// readBody is boundedBody in one piece.
func readBody(c *fiber.Ctx, limits bodyLimits) ([]byte, error) {
	r, err := boundedBody(c, limits)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var body bytes.Buffer
	if encodingOf(c) == "" {
		body.Grow(len(c.Request().Body()) + bytes.MinRead)
	}
	_, err = body.ReadFrom(r)
	return body.Bytes(), err
}

// encodingOf joins every Content-Encoding header, so that a second one cannot
// hide behind the first.
func encodingOf(c *fiber.Ctx) string {
	var all []string
	for _, value := range c.Request().Header.PeekAll(fiber.HeaderContentEncoding) {
		all = append(all, string(value))
	}
	return strings.ToLower(strings.TrimSpace(strings.Join(all, ",")))
}

func inflate(wire io.Reader, encoding string, limits bodyLimits) (io.ReadCloser, error) {
	switch encoding {
	case "", "identity":
		return io.NopCloser(wire), nil
	case "gzip", "x-gzip":
		r, err := gzip.NewReader(wire)
		if err != nil {
			return nil, refuse(fiber.StatusBadRequest, "The body is not the gzip its Content-Encoding says.")
		}
		return r, nil
	case "zstd":
		r, err := zstd.NewReader(wire, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(uint64(limits.Inflated)), zstd.WithDecoderMaxWindow(limits.Window))
		if err != nil {
			return nil, refuse(fiber.StatusBadRequest, "The body is not the zstd its Content-Encoding says.")
		}
		return r.IOReadCloser(), nil
	}
	return nil, refuse(fiber.StatusUnsupportedMediaType, "Send the body plain, or once encoded with gzip or zstd.")
}

// boundedReader ends with a refusal instead of an end when more than left
// bytes come.
type boundedReader struct {
	from io.ReadCloser
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLarge
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.from.Read(p)
	b.left -= int64(n)
	switch {
	case b.left < 0, errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return 0, errTooLarge
	case err != nil && err != io.EOF:
		return n, errBroken
	}
	return n, err
}

func (b *boundedReader) Close() error { return b.from.Close() }

var (
	errTooLarge = refuse(fiber.StatusRequestEntityTooLarge, "The batch is larger than 64 MiB once inflated, or inflates more than a hundredfold. Send it in parts.")
	errBroken   = refuse(fiber.StatusBadRequest, "The compressed body is cut short or damaged.")
)
