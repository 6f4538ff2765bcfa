package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"

	"assay/eval"
)

var gateCheckCommand = command{
	name: "gate check", usage: "HANDOFF [--server URL]", summary: "say whether a handoff allows promotion now",
	detail: "Prints the decision and its reasons. Exit 0 only if promotion is allowed now, so a pipeline can stop on it.",
	run: func(ctx context.Context, args []string) error {
		id, at, err := handoffArgument(args, 1)
		if err != nil {
			return err
		}
		code, body, err := at.call(ctx, "GET", "/v1/handoffs/"+id+"/check", "", nil, http.StatusForbidden)
		if err != nil {
			return err
		}
		var answer struct {
			Allowed         bool
			PromotionStatus string `json:"promotion_status"`
			Headline        string
			Reasons         []string
			EvidenceHash    string `json:"evidence_hash"`
			Detail          string
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return err
		}
		if code == http.StatusForbidden && answer.PromotionStatus == "" {
			return fmt.Errorf("%s", answer.Detail)
		}
		fmt.Printf("%s  %s\n", answer.PromotionStatus, answer.Headline)
		for _, reason := range answer.Reasons {
			fmt.Println("  " + reason)
		}
		fmt.Println("evidence " + answer.EvidenceHash)
		if !answer.Allowed {
			return errNo
		}
		return nil
	},
}

var gateUploadCommand = command{
	name: "gate upload", usage: "HANDOFF FILE [--server URL]", summary: "upload a candidate's results on its cases",
	detail: "FILE is JSON Lines, one run of one case a line. Sending it again adds nothing, so an interrupted upload is simply repeated.",
	run: func(ctx context.Context, args []string) error {
		id, at, err := handoffArgument(args, 2)
		if err != nil {
			return err
		}
		lines, err := os.ReadFile(args[1])
		if err != nil {
			return err
		}
		_, body, err := at.call(ctx, "POST", "/v1/handoffs/"+id+"/runs", "application/x-ndjson", lines)
		if err != nil {
			return err
		}
		var upload eval.Upload
		if err := json.Unmarshal(body, &upload); err != nil {
			return err
		}
		fmt.Printf("%d accepted, %d duplicate, %d rejected, %d missing; %s\n", upload.Accepted, upload.Duplicate, len(upload.Rejected), upload.Missing, upload.Status)
		if upload.Duplicate > 0 {
			fmt.Println("  a duplicate is a run whose window, case and number were there already; the first result stays")
		}
		for _, line := range upload.Rejected {
			fmt.Printf("  line %d: %s\n", line.Line, line.Error)
		}
		if len(upload.Rejected) > 0 {
			return errNo
		}
		return nil
	},
}

var gateVerifyCommand = command{
	name: "gate verify", usage: "FILE --key PUBLIC", summary: "verify an exported certificate offline",
	detail: "PUBLIC is the product's public signing key; no secret and no server is needed.",
	run: func(_ context.Context, args []string) error {
		if len(args) != 3 || args[1] != "--key" {
			return usageError("name the certificate and the public key")
		}
		note, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		certificate, err := eval.VerifyCertificate(string(note), args[2])
		if err != nil {
			return err
		}
		fmt.Print("The certificate verifies.\n" + certificate.Summary())
		return nil
	},
}

// handoffArgument reads HANDOFF (and what else stands before the options).
func handoffArgument(args []string, positional int) (string, remote, error) {
	if len(args) < positional {
		return "", remote{}, usageError("an argument is missing")
	}
	if _, err := strconv.ParseUint(args[0], 10, 63); err != nil {
		return "", remote{}, usageError(fmt.Sprintf("%q is not the number of a handoff", args[0]))
	}
	flags := flag.NewFlagSet("gate", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	server := flags.String("server", "", "")
	if err := flags.Parse(args[positional:]); err != nil || flags.NArg() > 0 {
		return "", remote{}, usageError("after the arguments only --server URL may follow")
	}
	at, err := findRemote(*server)
	return args[0], at, err
}
