package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"assay/internal/fault"
	"assay/labeling"
)

var labelsImportCommand = command{
	name: "labels import", usage: "FILE [--format jsonl|csv|label-studio|argilla] [--means FIELD=VALUE:BECOMES]… [--dry-run] [--server URL]", summary: "import labels made elsewhere",
	detail: `One JSON object a line: event_id (or session_id and request_id), label (null is counted as
unlabeled), labeler, and optionally labeled_at, reasons, spans, correction, note. Also the table that
"labels export --format csv" writes, and the JSON exports of Label Studio and Argilla, whose data or
metadata name the response; without --format it is told by how the file begins. A dry run says what
would happen. The same file twice changes nothing.

--means says what an answer of another tool is: a label, a reason, the note, the correction or nothing,
as in --means "quality=Good:correct". Without it an answer that is named like a label is one, others
are reasons. The product works through the file by itself: this command may be stopped, and the page
of imports shows how far it is, what was refused and why, and takes an import back.`,
	run: func(ctx context.Context, args []string) error {
		file, rest := firstArgument(args)
		if file == "" {
			return usageError("name the file")
		}
		flags := flag.NewFlagSet("labels import", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		format := flags.String("format", "", "")
		dry := flags.Bool("dry-run", false, "")
		server := flags.String("server", "", "")
		meanings := []labeling.Meaning{}
		flags.Func("means", "", func(text string) error {
			meaning, err := meaningOf(text)
			meanings = append(meanings, meaning)
			return err
		})
		if err := flags.Parse(rest); err != nil || flags.NArg() > 0 {
			return usageError("after the file only --format, --means FIELD=VALUE:BECOMES, --dry-run and --server may follow")
		}
		at, err := findRemote(*server)
		if err != nil {
			return err
		}
		return importFile(ctx, at, file, *format, meanings, *dry)
	},
}

// meaningOf reads FIELD=VALUE:BECOMES, or FIELD:BECOMES for free text.
func meaningOf(text string) (labeling.Meaning, error) {
	at := strings.LastIndex(text, ":")
	if at < 0 {
		return labeling.Meaning{}, errors.New("no colon")
	}
	field, value, _ := strings.Cut(text[:at], "=")
	return labeling.Meaning{Field: field, Value: value, Becomes: text[at+1:]}, nil
}

// importedAnswer is what a command says of an import.
type importedAnswer struct {
	Lines     int                     `json:"lines"`
	Imported  int                     `json:"imported"`
	Duplicate int                     `json:"duplicate"`
	Unlabeled int                     `json:"unlabeled"`
	Refused   int                     `json:"refused"`
	Format    string                  `json:"format"`
	Dry       bool                    `json:"dry_run"`
	Rejected  []labeling.RejectedLine `json:"rejected"`
	Trouble   string                  `json:"trouble,omitempty"`
}

// importState is where an import stands, as the API says it.
type importState struct {
	ID        int64           `json:"id"`
	State     string          `json:"state"`
	Format    string          `json:"format"`
	Found     *labeling.Found `json:"found"`
	Total     int             `json:"total"`
	Done      int             `json:"done"`
	Imported  int             `json:"imported"`
	Duplicate int             `json:"duplicate"`
	Unlabeled int             `json:"unlabeled"`
	Refused   int             `json:"refused"`
	FailedWhy string          `json:"failed_why"`
}

func importFile(ctx context.Context, at remote, path, format string, meanings []labeling.Meaning, dry bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	im := &arriving{remote: at, shows: term.IsTerminal(int(os.Stderr.Fd()))}
	if err := im.post(ctx, "", map[string]string{"name": filepath.Base(path), "format": format}); err != nil {
		return err
	}
	if err := im.send(ctx, file); err != nil {
		return err
	}
	if err := im.post(ctx, "/check", map[string]any{"meanings": meanings}); err != nil {
		return err
	}
	if err := im.wait(ctx, "checking", "read, bytes"); err != nil {
		return err
	}
	found := im.at.Found
	answer := importedAnswer{Lines: found.Lines, Imported: found.Imported, Duplicate: found.Duplicate, Unlabeled: found.Unlabeled, Refused: found.Refused,
		Format: im.at.Format, Dry: dry, Rejected: found.Refusals, Trouble: found.Trouble}
	if dry {
		err = im.post(ctx, "/cancel", nil)
	} else if err = im.post(ctx, "/agree", nil); err == nil {
		err = im.wait(ctx, "importing", "imported")
		answer.Imported, answer.Duplicate, answer.Unlabeled, answer.Refused = im.at.Imported, im.at.Duplicate, im.at.Unlabeled, im.at.Refused
	}
	if err != nil {
		return err
	}
	pretty, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		return err
	}
	fmt.Println(string(pretty))
	return nil
}

// arriving is an import that a command begins and watches.
type arriving struct {
	remote
	at    importState
	shows bool // a terminal shows how far it is
}

const sendPart = 16 << 20

func (im *arriving) send(ctx context.Context, file io.Reader) error {
	body := make([]byte, sendPart)
	for part := 0; ; part++ {
		n, err := io.ReadFull(file, body)
		if n > 0 {
			path := fmt.Sprintf("/v1/imports/%d/parts?part=%d", im.at.ID, part)
			if _, _, err := im.call(ctx, "POST", path, "application/octet-stream", body[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// post begins an import, or has something done with it.
func (im *arriving) post(ctx context.Context, act string, in any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	path := "/v1/imports"
	if im.at.ID != 0 {
		path = fmt.Sprintf("/v1/imports/%d%s", im.at.ID, act)
	}
	return im.look(ctx, "POST", path, body)
}

func (im *arriving) look(ctx context.Context, method, path string, body []byte) error {
	_, text, err := im.call(ctx, method, path, "application/json", body)
	if err != nil {
		return err
	}
	im.at = importState{}
	return json.Unmarshal(text, &im.at)
}

// wait asks until the import has left a state.
func (im *arriving) wait(ctx context.Context, state, does string) error {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		if err := im.look(ctx, "GET", fmt.Sprintf("/v1/imports/%d", im.at.ID), nil); err != nil {
			return err
		}
		if im.shows {
			fmt.Fprintf(os.Stderr, "\r%d of %d %s ", im.at.Done, im.at.Total, does)
		}
		if im.at.State != state {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
	if im.shows {
		fmt.Fprintln(os.Stderr)
	}
	switch im.at.State {
	case "failed":
		return fault.Say(fault.Invalid, "The file could not be imported: %s", im.at.FailedWhy)
	case "cancelled":
		return fault.Say(fault.Conflict, "Somebody cancelled the import.")
	}
	return nil
}

var labelsExportCommand = command{
	name: "labels export", usage: "[--queue Q] [--format jsonl|csv|parquet] [--server URL]", summary: "write labels with their provenance to standard output",
	run: func(ctx context.Context, args []string) error {
		flags := flag.NewFlagSet("labels export", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		queue := flags.String("queue", "", "")
		format := flags.String("format", "jsonl", "")
		server := flags.String("server", "", "")
		if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
			return usageError("only --queue, --format and --server may follow")
		}
		at, err := findRemote(*server)
		if err != nil {
			return err
		}
		query := url.Values{"format": {*format}}
		if *queue != "" {
			query.Set("queue", *queue)
		}
		_, body, err := at.call(ctx, "GET", "/v1/labels?"+query.Encode(), "", nil)
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(body)
		return err
	},
}
