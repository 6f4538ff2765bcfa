package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"assay/internal/fault"
	"assay/internal/postgres"
)

// remote is a running product that a command speaks to over HTTP.
type remote struct {
	address, key string
}

// readRuntime finds what a running assay up left in its data directory.
func readRuntime() (runtimeFile, error) {
	var r runtimeFile
	text, err := os.ReadFile(filepath.Join(env("ASSAY_DATA"), "runtime.json"))
	if errors.Is(err, os.ErrNotExist) {
		text, err = onlyRuntimeBelow(env("ASSAY_DATA"))
	}
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text, &r)
}

// onlyRuntimeBelow looks one folder deeper: make run gives each load a data
// directory of its own.
func onlyRuntimeBelow(dir string) ([]byte, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*", "runtime.json"))
	if err != nil {
		return nil, err
	}
	switch len(found) {
	case 0:
		return nil, fault.Say(fault.Unavailable, "No product is running on %s. Start one with assay up, or name it by ASSAY_SERVER and ASSAY_KEY.", dir)
	case 1:
		return os.ReadFile(found[0])
	}
	return nil, fault.Say(fault.Invalid, "Several products are running below %s; choose one by ASSAY_DATA.", dir)
}

// findRemote takes the server named on the command line, in the environment,
// or running on this machine.
func findRemote(server string) (remote, error) {
	at := remote{cmp.Or(server, env("ASSAY_SERVER")), env("ASSAY_KEY")}
	if at.address != "" && at.key != "" {
		return at, nil
	}
	r, err := readRuntime()
	if err != nil && at.address == "" {
		return at, err
	}
	at.address = cmp.Or(at.address, r.Address)
	if at.key == "" && at.address == r.Address {
		at.key = r.Key
	}
	if at.key == "" {
		return at, fault.Say(fault.Invalid, "ASSAY_KEY is not set; assay key create makes one.")
	}
	return at, nil
}

// call sends a request and returns status and body; a refusal that is a
// problem document becomes an error with its words, unless the caller takes
// that status.
func (r remote) call(ctx context.Context, method, path, contentType string, body []byte, takes ...int) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(r.address, "/")+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+r.key)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	client := http.Client{Timeout: 5 * time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, fault.Say(fault.Unavailable, "%s does not answer: %v.", r.address, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 256<<20))
	if err != nil {
		return 0, nil, err
	}
	for _, status := range takes {
		if response.StatusCode == status {
			return status, answer, nil
		}
	}
	if response.StatusCode < 300 {
		return response.StatusCode, answer, nil
	}
	var problem struct{ Title, Detail string }
	if json.Unmarshal(answer, &problem) == nil && problem.Detail != "" {
		return response.StatusCode, nil, fmt.Errorf("%s: %s", problem.Title, problem.Detail)
	}
	return response.StatusCode, nil, fmt.Errorf("%s answered %s", r.address, response.Status)
}

// database opens the store of truth for the commands that people and keys are
// made with: ASSAY_DATABASE_URL, or the product running on this machine.
func database(ctx context.Context) (*pgxpool.Pool, error) {
	address := env("ASSAY_DATABASE_URL")
	if address == "" {
		r, err := readRuntime()
		if err != nil {
			return nil, err
		}
		address = r.Database
	}
	return postgres.Open(ctx, address)
}
