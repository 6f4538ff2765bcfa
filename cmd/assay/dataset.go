package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"assay/internal/fault"
	"assay/labeling"
)

var datasetVerifyCommand = command{
	name: "dataset verify", usage: "FILE [--hash SHA256]", summary: "compute the content hash of a dataset's version from an exported file",
	detail: `Needs no product and no store. FILE is an export of the format "records", whose SHA-256 is the hash
itself (sha256sum says the same), or of JSON Lines: then each row counts without dataset,
dataset_version, position, prompt, response, context and artifact, with an empty correction and note.
So texts may be erased and the proof of the labels holds. With --hash it fails unless that is the hash.`,
	run: func(_ context.Context, args []string) error {
		path, rest := firstArgument(args)
		if path == "" {
			return usageError("name the file")
		}
		flags := flag.NewFlagSet("dataset verify", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		want := flags.String("hash", "", "")
		if err := flags.Parse(rest); err != nil || flags.NArg() > 0 {
			return usageError("after the file only --hash may follow")
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		found, err := labeling.VerifyFile(file)
		if err != nil {
			return err
		}
		text, err := json.MarshalIndent(found, "", "  ")
		if err != nil {
			return err
		}
		fmt.Println(string(text))
		if *want != "" && !strings.EqualFold(*want, found.SHA256) {
			return fault.Say(fault.Conflict, "The file is of another content: its hash is not %s.", *want)
		}
		return nil
	},
}
