package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
)

var labelsImportCommand = command{
	name: "labels import", usage: "FILE [--format jsonl|csv|label-studio|argilla] [--dry-run] [--server URL]", summary: "import labels made elsewhere",
	detail: `One JSON object a line: event_id (or session_id and request_id), label (null is counted as
unlabeled), labeler, and optionally labeled_at, reasons, spans, correction, note. Also the table that
"labels export --format csv" writes, and the JSON exports of Label Studio and Argilla, whose data or
metadata name the response; without --format it is told by how the file begins. A dry run says what
would happen. The same file twice changes nothing.`,
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
		if err := flags.Parse(rest); err != nil || flags.NArg() > 0 {
			return usageError("after the file only --format, --dry-run and --server may follow")
		}
		at, err := findRemote(*server)
		if err != nil {
			return err
		}
		lines, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		query := url.Values{}
		if *format != "" {
			query.Set("format", *format)
		}
		if *dry {
			query.Set("dry_run", "true")
		}
		_, body, err := at.call(ctx, "POST", "/v1/labels/import?"+query.Encode(), "application/x-ndjson", lines)
		if err != nil {
			return err
		}
		var answer map[string]any
		if err := json.Unmarshal(body, &answer); err != nil {
			return err
		}
		pretty, err := json.MarshalIndent(answer, "", "  ")
		if err != nil {
			return err
		}
		fmt.Println(string(pretty))
		return nil
	},
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
