package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// longestLine is beyond what the product takes as one event; a longer line is
// sent cut, and refused with its number.
const longestLine = 2 << 20

// Load sends every line of r, JSON Lines plain or gzipped, several batches at
// a time. Events keep the ids they have; those without one get theirs from the
// product, by content, so that loading a file twice changes nothing. A file of
// OTLP/JSON is sent export by export (otlp.go); people in it are hashed by the
// product. It returns when everything was sent or is on disk; Close sends the rest.
func (c *Client) Load(ctx context.Context, r io.Reader) error {
	lines, err := plain(r)
	if err != nil {
		return err
	}
	if holdsOTLP(lines) {
		return c.loadOTLP(ctx, lines)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches := make(chan *batch)
	var senders sync.WaitGroup
	for range c.config.Senders {
		senders.Go(func() {
			for b := range batches {
				if ctx.Err() != nil {
					continue
				}
				if err := c.send(ctx, b); err != nil {
					cancel(err)
				}
			}
		})
	}
	err = c.read(ctx, lines, batches)
	close(batches)
	senders.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// plain unpacks r where it is gzipped.
func plain(r io.Reader) (*bufio.Reader, error) {
	buffered := bufio.NewReaderSize(r, 1<<20)
	if head, _ := buffered.Peek(2); len(head) < 2 || head[0] != 0x1f || head[1] != 0x8b {
		return buffered, nil
	}
	unzipped, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, fmt.Errorf("unpack the file: %w", err)
	}
	return bufio.NewReaderSize(unzipped, 1<<20), nil
}

func (c *Client) read(ctx context.Context, lines *bufio.Reader, batches chan<- *batch) error {
	hand := func(b *batch) error {
		if b == nil {
			return nil
		}
		select {
		case batches <- b:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for {
		line, err := readLine(lines)
		if line = bytes.TrimSpace(line); len(line) > 0 {
			// What cannot be read as an object is sent as it is: the product
			// refuses it, with its number, and its neighbours lose nothing.
			if fit, err := sanitize(line, c.config.Salt, false); err == nil {
				line = fit
			}
			c.mu.Lock()
			full := c.gather(line, false)
			c.mu.Unlock()
			if err := hand(full); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read the file: %w", err)
		}
	}
	c.mu.Lock()
	rest := c.take()
	c.mu.Unlock()
	return hand(rest)
}

// readLine reads a line of any length and keeps its beginning.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line) < longestLine {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}
