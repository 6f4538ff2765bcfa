package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"assay/telemetry"
)

// A file of OTLP/JSON holds export requests, one after the other: as the
// collector's file exporter writes them, one a line, or a single one over many
// lines. Each is sent as it stands, to the address of what it holds.

// The addresses of the two, and the words that stand for them in the spool.
var otlpPaths = map[string]string{"traces": "/v1/traces", "logs": "/v1/logs"}

// largestExport bounds one request; the product takes 64 MiB inflated.
const largestExport = 60 << 20

// holdsOTLP reports whether a file begins as an export does.
func holdsOTLP(r *bufio.Reader) bool {
	head, _ := r.Peek(4096)
	d := json.NewDecoder(bytes.NewReader(head))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return false
	}
	name, err := d.Token()
	return err == nil && kindOf(fmt.Sprint(name)) != ""
}

// kindOf says what an export holds, by the name of its only member; "" when it
// is none that is taken.
func kindOf(member string) string {
	switch member {
	case "resourceSpans", "resource_spans":
		return "traces"
	case "resourceLogs", "resource_logs":
		return "logs"
	}
	return ""
}

func (c *Client) loadOTLP(ctx context.Context, r io.Reader) error {
	d := json.NewDecoder(r)
	for {
		var export json.RawMessage
		err := d.Decode(&export)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the file: %w", err)
		}
		b, err := exportOf(export)
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.totals.Read += b.events
		c.totals.Bytes += int64(len(export))
		c.mu.Unlock()
		if err := c.send(ctx, b); err != nil {
			return err
		}
	}
}

func exportOf(export json.RawMessage) (*batch, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(export, &members); err != nil {
		return nil, fmt.Errorf("read an export: %w", err)
	}
	if len(export) > largestExport {
		return nil, fmt.Errorf("an export of %d MB is larger than the product takes at once", len(export)>>20)
	}
	for name, member := range members {
		if kind := kindOf(name); kind != "" {
			b := &batch{kind: kind, events: itemsIn(member)}
			b.lines.Write(export)
			return b, nil
		}
	}
	return nil, errors.New("the file holds something else among exports of traces and logs")
}

// itemsIn counts the spans or records of an export.
func itemsIn(resources json.RawMessage) int {
	var list []struct {
		ScopeSpans []struct{ Spans []json.RawMessage }
		ScopeLogs  []struct{ LogRecords []json.RawMessage }
	}
	json.Unmarshal(resources, &list)
	n := 0
	for _, r := range list {
		for _, s := range r.ScopeSpans {
			n += len(s.Spans)
		}
		for _, s := range r.ScopeLogs {
			n += len(s.LogRecords)
		}
	}
	return n
}

// readPartial reads the answer to an export. It says how many were rejected and
// why the first was, not which.
func readPartial(answer []byte, sent int) (telemetry.Receipt, error) {
	var said struct {
		PartialSuccess struct {
			RejectedSpans, RejectedLogRecords, ErrorMessage string
		} `json:"partialSuccess"`
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return telemetry.Receipt{}, err
	}
	rejected, _ := strconv.Atoi(said.PartialSuccess.RejectedSpans + said.PartialSuccess.RejectedLogRecords)
	receipt := telemetry.Receipt{Accepted: max(sent-rejected, 0)}
	for range min(rejected, sent) {
		receipt.Rejected = append(receipt.Rejected, telemetry.Rejection{Error: said.PartialSuccess.ErrorMessage})
	}
	return receipt, nil
}

// kindInName reads from a spooled file's name what it holds.
func kindInName(name string) string {
	for kind := range otlpPaths {
		if strings.Contains(name, "-"+kind+"-") {
			return kind
		}
	}
	return ""
}
