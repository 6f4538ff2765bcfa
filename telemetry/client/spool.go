package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// spoolEnding marks whole batches: gzipped lines or an OTLP export, as they are sent. Another
// file in the directory is one that is being written.
const spoolEnding = ".jsonl.gz"

// spool puts a batch on disk, whole or not at all. Its name holds the time,
// so that batches leave in their order, and the number of events.
func (c *Client) spool(body []byte, kind string, events int) error {
	if c.config.Spool == "" {
		return errors.New("there is no directory to keep them in")
	}
	if err := os.MkdirAll(c.config.Spool, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(c.config.Spool, "writing-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if _, err = file.Write(body); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	unique := strings.TrimPrefix(filepath.Base(file.Name()), "writing-")
	if kind != "" {
		unique += "-" + kind
	}
	name := fmt.Sprintf("%020d-%s-%d%s", time.Now().UnixNano(), unique, events, spoolEnding)
	return os.Rename(file.Name(), filepath.Join(c.config.Spool, name))
}

// SendSpooled sends what waits on disk, the oldest first, and removes what was
// taken. It stops at the first batch that cannot be sent: ErrUnsent.
func (c *Client) SendSpooled(ctx context.Context) error {
	if c.config.Spool == "" {
		return nil
	}
	names, err := filepath.Glob(filepath.Join(c.config.Spool, "*"+spoolEnding))
	if err != nil {
		return err
	}
	slices.Sort(names)
	for i, name := range names {
		body, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // another client with this directory was faster
		}
		if err != nil {
			return err
		}
		receipt, err := c.deliver(ctx, body, kindInName(filepath.Base(name)), eventsIn(name))
		var refused *refusedBatch
		if err != nil && !errors.As(err, &refused) {
			return fmt.Errorf("%w: %d batches wait in %s: %w", ErrUnsent, len(names)-i, c.config.Spool, err)
		}
		if refused != nil {
			// Kept for a person to look at, out of the way of the others.
			if err := os.Rename(name, name+".refused"); err != nil {
				return err
			}
			continue
		}
		if err := os.Remove(name); err != nil {
			return err
		}
		c.mu.Lock()
		c.totals.Spooled = max(c.totals.Spooled-eventsIn(name), 0)
		c.mu.Unlock()
		c.count(&batch{}, receipt)
	}
	return nil
}

func eventsIn(name string) int {
	parts := strings.Split(strings.TrimSuffix(filepath.Base(name), spoolEnding), "-")
	n, _ := strconv.Atoi(parts[len(parts)-1])
	return n
}
