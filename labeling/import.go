package labeling

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
)

// Imported says what an import did, line by line where it refused.
type Imported struct {
	Lines     int            `json:"lines"`
	Imported  int            `json:"imported"`
	Duplicate int            `json:"duplicate"` // the same label of the same labeler was there
	Unlabeled int            `json:"unlabeled"` // label null, or skipped in the other tool
	Refused   int            `json:"refused"`
	Format    string         `json:"format"`
	Dry       bool           `json:"dry_run"`  // nothing was changed
	Rejected  []RejectedLine `json:"rejected"` // the first of the refused
}

// RejectedLine is a line that was not imported and why. The others were.
type RejectedLine struct {
	Line  int    `json:"line"` // from 1; in a list, the element
	Error string `json:"error"`
}

// importLine is one line of an import. Other fields are passed over.
type importLine struct {
	EventID    *uuid.UUID `json:"event_id"`
	SessionID  string     `json:"session_id"`
	RequestID  string     `json:"request_id"`
	Label      *string    `json:"label"`
	Labeler    string     `json:"labeler"`
	LabeledAt  *time.Time `json:"labeled_at"`
	Reasons    []string   `json:"reasons"`
	Spans      []Span     `json:"spans"`
	Correction string     `json:"correction"`
	Note       string     `json:"note"`
	Confidence *string    `json:"confidence"`
	ElapsedMS  *int64     `json:"elapsed_ms"`
	Revision   int        `json:"revision"`

	answers []said // of another tool, by the names it had there
	wrong   error  // why it is refused
	skipped bool   // passed over in the other tool
	number  int    // of the line, or of the element in a list
	place   int    // of the label in the file
}

const (
	importBlock   = 500
	maxImportLine = 16 << 20
	maxRejected   = 1_000
)

// Import takes labels that were made elsewhere, one JSON object a line. Each
// becomes a label of its own labeler, and its item a census item: what was
// imported is known in full and stands for nothing but itself. A response that
// a person here has labeled keeps its place in the sample and gets the import
// as one more reading. Lines are refused one by one.
func (s *Store) Import(ctx context.Context, actor auth.Actor, lines io.Reader) (Imported, error) {
	return s.ImportFile(ctx, actor, lines, ImportOptions{Format: FormatLines})
}

// ImportOptions say how a file is read.
type ImportOptions struct {
	Format   string    // one of ImportFormats; "": by how the file begins
	Meanings []Meaning // what the fields of the file mean, where not what they are taken for
	Dry      bool      // say what would happen, and change nothing
}

// ImportFile is Import for every format that is read. A file sent twice
// changes nothing the second time.
func (s *Store) ImportFile(ctx context.Context, actor auth.Actor, file io.Reader, options ImportOptions) (Imported, error) {
	im := &importing{s: s, actor: actor, by: actor.Name, dry: options.Dry}
	im.done = Imported{Rejected: []RejectedLine{}, Dry: options.Dry}
	if err := actor.Require(auth.ImportLabels); err != nil {
		return im.done, err
	}
	if err := checkMeanings(options.Meanings); err != nil {
		return im.done, err
	}
	err := im.read(ctx, file, options.Format, options.Meanings, func(block []importLine) error {
		return im.take(ctx, block, nil)
	})
	return im.done, err
}

// read gives the labels of a file to take, some at a time, after those that
// were taken already.
func (im *importing) read(ctx context.Context, file io.Reader, format string, meanings []Meaning, take func([]importLine) error) error {
	if im.s.Telemetry == nil {
		return errors.New("no telemetry store to find responses in")
	}
	buffered := bufio.NewReaderSize(file, 64<<10)
	if format == "" {
		var err error
		if format, err = formatOf(buffered); err != nil {
			return err
		}
	}
	im.done.Format = format
	read, err := sourceOf(format, buffered)
	if err != nil {
		return err
	}
	means := meaningsOf(meanings)
	var block []importLine
	var trouble error
	place, after := 0, im.done.Lines
	err = read(func(line importLine, wrong error) bool {
		place++
		if place <= after {
			return true
		}
		line.place, line.wrong = place, wrong
		if wrong == nil {
			line.wrong = line.settle(means)
		}
		if line.wrong != nil {
			line = line.slim()
		}
		block = append(block, line)
		if len(block) == importBlock {
			trouble = take(block)
			block = block[:0]
		}
		return trouble == nil && ctx.Err() == nil
	})
	if trouble == nil && len(block) > 0 && ctx.Err() == nil {
		trouble = take(block)
	}
	if trouble = errors.Join(trouble, ctx.Err()); trouble != nil {
		return trouble
	}
	if err != nil && fault.Of(err) != fault.Invalid {
		err = fmt.Errorf("read labels: %w", err)
	}
	return err
}

// slim is what is kept of a line that is refused: hundreds of them, of many
// megabytes each, may wait for the end of their block.
func (line importLine) slim() importLine {
	for i := range line.answers {
		if line.answers[i].kind == aText {
			line.answers[i].value = ""
		}
	}
	return importLine{wrong: line.wrong, answers: line.answers, number: line.number, place: line.place}
}

func parseImportLine(text []byte, number int) (importLine, error) {
	line := importLine{number: number}
	if err := json.Unmarshal(text, &line); err != nil {
		return line, errors.New("not a JSON object with the fields of a label")
	}
	line.number = number
	return line, nil
}

// check refuses what no import takes, whatever file it came from.
func (line *importLine) check() error {
	if line.Labeler == "" {
		line.Labeler = "import"
	}
	switch {
	case line.EventID == nil && (line.SessionID == "" || line.RequestID == ""):
		return errors.New("names no response: event_id, or session_id with request_id")
	case line.Label != nil && !slices.Contains(Labels, *line.Label):
		return fmt.Errorf("label must be one of %s, or null", strings.Join(Labels, ", "))
	case line.confidence() != "" && !slices.Contains(Confidences, line.confidence()):
		return fmt.Errorf("confidence must be one of %s", strings.Join(Confidences, ", "))
	case len(line.Labeler) > 200:
		return errors.New("labeler is longer than 200 characters")
	case len(line.SessionID) > 1000 || len(line.RequestID) > 1000:
		return errors.New("session_id or request_id is longer than 1,000 characters")
	case len(line.Reasons) > 20 || slices.ContainsFunc(line.Reasons, func(r string) bool { return r == "" || len(r) > 100 }):
		return errors.New("at most 20 reasons of at most 100 characters")
	case len(line.Spans) > maxSpans:
		return fmt.Errorf("more than %d spans", maxSpans)
	case slices.ContainsFunc(line.Spans, func(sp Span) bool { return sp.Start < 0 || sp.End <= sp.Start }):
		return errors.New("a span ends before it starts")
	case len(line.Note) > 4*maxNote || len(line.Correction) > 4*maxCorrection:
		return errors.New("note or correction is too long")
	case line.LabeledAt != nil && (line.LabeledAt.Year() < 1970 || time.Until(*line.LabeledAt) > 24*time.Hour):
		return errors.New("labeled_at lies before 1970 or in the future")
	case line.ElapsedMS != nil && *line.ElapsedMS < 0:
		return errors.New("elapsed_ms is below zero")
	case line.hasNUL():
		return errors.New("a text has a character that no text may have, NUL")
	}
	return nil
}

const maxSpans = 1_000

func (line *importLine) confidence() string {
	if line.Confidence == nil {
		return ""
	}
	return *line.Confidence
}

// hasNUL reports whether a text has the one character that the store takes in
// none.
func (line *importLine) hasNUL() bool {
	texts := append([]string{line.SessionID, line.RequestID, line.Labeler, line.Note, line.Correction}, line.Reasons...)
	return slices.ContainsFunc(texts, func(text string) bool { return strings.ContainsRune(text, 0) })
}

// key names what the line says of a response, however it was written: the same
// label in another format, order or zone is the same.
func (line *importLine) key(event uuid.UUID) string {
	at := ""
	if line.LabeledAt != nil {
		at = line.LabeledAt.UTC().Format(time.RFC3339Nano)
	}
	text, _ := json.Marshal([]any{ // strings, numbers and lists of them: never fails
		event, line.Label, line.Labeler, at, cleanReasons(line.Reasons), sortedSpans(line.Spans), line.confidence(), line.Correction, line.Note,
	})
	if line.Label == nil {
		text = fmt.Appendf(text, "back %d", line.Revision)
	}
	sum := sha256.Sum256(text)
	return "import/" + hex.EncodeToString(sum[:])
}
