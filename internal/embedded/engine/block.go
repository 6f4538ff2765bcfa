package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/go-faster/city"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// ClickHouse frames compressed data in blocks: a 16-byte CityHash of the rest,
// one byte for the method, the compressed size with these nine bytes and the
// size before compression (both little-endian), then the data.
const (
	blockSum    = 16
	blockHeader = blockSum + 9

	methodNone = 0x02
	methodLZ4  = 0x82
	methodZSTD = 0x90

	// blockMost bounds what one block may claim to be, before memory is taken.
	blockMost = 128 << 20
)

// blockReader undoes the framing. A block that ends early is an error, never
// the end of the data.
type blockReader struct {
	from io.Reader
	data []byte // not yet read
	raw  []byte
	out  []byte
	zstd *zstd.Decoder
}

func newBlockReader(from io.Reader) *blockReader { return &blockReader{from: from} }

func (b *blockReader) Read(p []byte) (int, error) {
	for len(b.data) == 0 {
		if err := b.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.data)
	b.data = b.data[n:]
	return n, nil
}

var errCutShort = errors.New("a compressed block ends early")

func (b *blockReader) next() error {
	var header [blockHeader]byte
	if n, err := io.ReadFull(b.from, header[:]); err == io.EOF && n == 0 {
		return io.EOF
	} else if err != nil {
		return fmt.Errorf("%w: %w", errCutShort, noEOF(err))
	}
	size := int64(binary.LittleEndian.Uint32(header[blockSum+1:])) - 9
	plain := int64(binary.LittleEndian.Uint32(header[blockSum+5:]))
	if size < 0 || size > blockMost || plain > blockMost {
		return errors.New("a compressed block claims an impossible size")
	}
	b.raw = append(b.raw[:0], header[blockSum:]...)
	b.raw = append(b.raw, make([]byte, size)...)
	if _, err := io.ReadFull(b.from, b.raw[9:]); err != nil {
		return fmt.Errorf("%w: %w", errCutShort, noEOF(err))
	}
	sum := city.CH128(b.raw)
	if sum.Low != binary.LittleEndian.Uint64(header[0:]) || sum.High != binary.LittleEndian.Uint64(header[8:]) {
		return errors.New("a compressed block does not match its checksum")
	}
	return b.expand(b.raw[0], b.raw[9:], int(plain))
}

func (b *blockReader) expand(method byte, data []byte, plain int) error {
	b.out = append(b.out[:0], make([]byte, plain)...)
	var n int
	var err error
	switch method {
	case methodNone:
		n = copy(b.out, data)
	case methodLZ4:
		n, err = lz4.UncompressBlock(data, b.out)
	case methodZSTD:
		if b.zstd == nil {
			b.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(blockMost))
			if err != nil {
				return err
			}
		}
		b.out, err = b.zstd.DecodeAll(data, b.out[:0])
		n = len(b.out)
	default:
		return fmt.Errorf("a compressed block has the unknown method 0x%02x", method)
	}
	if err != nil {
		return fmt.Errorf("a compressed block cannot be read: %w", err)
	}
	if n != plain {
		return errors.New("a compressed block is not as long as it says")
	}
	b.data = b.out
	return nil
}

// noEOF keeps a plain end of file from passing for the end of the data.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// blockWriter frames what is written to it, at most a MiB a block.
type blockWriter struct {
	to  io.Writer
	zip *compress.Writer
}

func newBlockWriter(to io.Writer, method string) *blockWriter {
	m := compress.LZ4
	switch method {
	case "ZSTD":
		m = compress.ZSTD
	case "NONE":
		m = compress.None
	}
	return &blockWriter{to: to, zip: compress.NewWriter(compress.LevelZero, m)}
}

func (b *blockWriter) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		piece := p[written:min(written+1<<20, len(p))]
		if err := b.zip.Compress(piece); err != nil {
			return written, err
		}
		if _, err := b.to.Write(b.zip.Data); err != nil {
			return written, err
		}
		written += len(piece)
	}
	return written, nil
}
