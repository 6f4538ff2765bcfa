package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/signing"
)

var auditVerifyCommand = command{
	name: "audit verify", summary: "check the audit: every entry, the tree, the signed checkpoints",
	detail: "Names the first bad entry and exits 1 when there is one.",
	run: func(ctx context.Context, args []string) error {
		if len(args) > 0 {
			return usageError("audit verify takes no arguments; assay audit verify-file checks a bundle")
		}
		log, end, err := openAudit(ctx)
		if err != nil {
			return err
		}
		defer end()
		report, err := log.Verify(ctx, auth.Product())
		if err != nil {
			return err
		}
		fmt.Printf("%d entries in the tree, %d waiting, %d checkpoints, root %s, %s\n",
			report.Entries, report.Waiting, report.Checkpoints, report.Root, report.Took.Round(time.Millisecond))
		if report.Bad != nil {
			fmt.Println("BAD " + report.Bad.String())
			return errNo
		}
		fmt.Println("The audit verifies.")
		return nil
	},
}

var auditExportCommand = command{
	name: "audit export", usage: "FILE", summary: "write a bundle that verifies offline",
	run: func(ctx context.Context, args []string) error {
		if len(args) != 1 {
			return usageError("name the file to write")
		}
		log, end, err := openAudit(ctx)
		if err != nil {
			return err
		}
		defer end()
		file, err := os.OpenFile(args[0], os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := log.Export(ctx, auth.Product(), file, audit.Filter{}); err != nil {
			return err
		}
		return file.Close()
	},
}

var auditVerifyFileCommand = command{
	name: "audit verify-file", usage: "FILE --key PUBLIC", summary: "verify a bundle with the public key alone",
	run: func(_ context.Context, args []string) error {
		if len(args) != 3 || args[1] != "--key" {
			return usageError("name the bundle and the public key")
		}
		report, err := audit.VerifyFile(args[0], args[2])
		if err != nil {
			return err
		}
		fmt.Printf("The bundle verifies: %+v\n", report)
		return nil
	},
}

// openAudit reads the audit with the keys of the installation: the running
// product's, or those ASSAY_KEYS names.
func openAudit(ctx context.Context) (*audit.Log, func(), error) {
	pool, err := database(ctx)
	if err != nil {
		return nil, nil, err
	}
	dir := keysDirectory()
	if _, err := os.Stat(dir); err != nil {
		found, _ := filepath.Glob(filepath.Join(env("ASSAY_DATA"), "*", "keys"))
		if len(found) == 1 {
			dir = found[0]
		}
	}
	macs, err := audit.OpenKeys(filepath.Join(dir, "audit"))
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	sign, err := signing.Open(filepath.Join(dir, "signing"), "assay")
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	return &audit.Log{DB: pool, MACKeys: macs, Signing: sign, Dir: filepath.Join(dir, "checkpoints")}, pool.Close, nil
}
