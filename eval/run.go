package eval

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Upload is what became of a file of results.
type Upload struct {
	Accepted   int           `json:"accepted"`
	Rejected   []RejectedRun `json:"rejected"`
	Missing    int           `json:"missing"`   // regression runs and holdout cases still to come
	Duplicate  int           `json:"duplicate"` // lines whose window, case and repeat are there already
	MissingOf  []Ref         `json:"missing_runs,omitempty"`
	Duplicates []Ref         `json:"duplicate_runs,omitempty"`
	Status     Status        `json:"promotion_status"`
}

// RejectedRun is a line that was not taken, and why.
type RejectedRun struct {
	Line  int    `json:"line"` // from 1
	Error string `json:"error"`
}

// runLine is one line of an upload.
type runLine struct {
	Window            WindowName `json:"window"`
	CaseID            string     `json:"case_id"`
	Repeat            *int       `json:"repeat"`
	Output            string     `json:"output"`
	Error             string     `json:"error"`
	UnsafeClaimServed *bool      `json:"unsafe_claim_served"`
	Route             string     `json:"route"`
	FirstFailedStage  string     `json:"first_failed_stage"`
	EvidenceVersion   string     `json:"evidence_version"`
	InputTokens       *int64     `json:"input_tokens"`
	CachedInputTokens *int64     `json:"cached_input_tokens"`
	OutputTokens      *int64     `json:"output_tokens"`
	TTFTMS            *int64     `json:"ttft_ms"`
	TotalMS           *int64     `json:"total_ms"`
}

const (
	lineLimit   = 1 << 20
	uploadLimit = 50_000 // lines
	textLimit   = 100_000
)

// UploadRuns takes results as JSON Lines, one run of one case a line. A bad
// line costs none of its neighbours; a run that is there already is counted as
// a duplicate and the first stays, so an interrupted upload is simply sent
// again. A run that broke may be replaced by one that was scored. Then the
// gate is decided anew, all in one transaction.
func (s *Store) UploadRuns(ctx context.Context, actor auth.Actor, handoffID int64, body io.Reader) (Upload, error) {
	if err := actor.Require(auth.OpenHandoff); err != nil {
		return Upload{}, err
	}
	upload := Upload{Rejected: []RejectedRun{}}
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		h, err := lockHandoff(ctx, tx, handoffID)
		if err != nil {
			return err
		}
		if h.PromotionStatus.Final() || h.PromotionStatus == Promoted {
			return fault.Say(fault.Conflict, "This handoff is %s; its evidence is closed.", strings.ToLower(string(h.PromotionStatus)))
		}
		if err := s.takeLines(ctx, tx, actor, h, body, &upload); err != nil {
			return err
		}
		decision, err := s.redecide(ctx, tx, h, "runs uploaded")
		if err != nil {
			return err
		}
		upload.Status = decision.Status
		upload.MissingOf = decision.Missing
		upload.Missing = decision.Needed.RegressionRuns + decision.Needed.HoldoutCases + decision.Needed.BaselineCases
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "handoff.runs", Object: fmt.Sprintf("handoff/%d", handoffID),
			What: fmt.Sprintf("%d accepted, %d duplicate, %d rejected", upload.Accepted, upload.Duplicate, len(upload.Rejected))})
	})
	return upload, err
}

func (s *Store) takeLines(ctx context.Context, tx pgx.Tx, actor auth.Actor, h Handoff, body io.Reader, upload *Upload) error {
	scanner := bufio.NewScanner(body)
	scanner.Buffer(make([]byte, 64<<10), lineLimit)
	for number := 1; scanner.Scan(); number++ {
		text := bytes.TrimSpace(scanner.Bytes())
		if len(text) == 0 {
			continue
		}
		if number > uploadLimit {
			return fault.Say(fault.Invalid, "At most %d lines in one upload; send the rest in another.", uploadLimit)
		}
		line, err := readRun(h.Contract, text)
		if err != nil {
			upload.Rejected = append(upload.Rejected, RejectedRun{number, fault.Words(err)})
			continue
		}
		if err := s.keepRun(ctx, tx, actor, h.ID, line, text, upload); err != nil {
			return err
		}
	}
	if err := scanner.Err(); err != nil {
		return fault.Say(fault.Invalid, "A line is longer than 1 MiB, or the upload broke off.")
	}
	return nil
}

func readRun(c Contract, text []byte) (runLine, error) {
	var line runLine
	if err := json.Unmarshal(text, &line); err != nil {
		return line, fault.Say(fault.Invalid, "not a JSON object with the fields of a run: %s", jsonProblem(err))
	}
	if line.Repeat == nil {
		one := 1
		line.Repeat = &one
	}
	routes := []string{"", "serve", "shorten", "abstain"}
	switch {
	case line.Window != Regression && line.Window != Holdout && line.Window != Baseline:
		return line, fault.Say(fault.Invalid, "window is regression, holdout or baseline")
	case line.CaseID == "" || len(line.CaseID) > 200:
		return line, fault.Say(fault.Invalid, "case_id has 1 to 200 characters")
	case *line.Repeat < 1 || *line.Repeat > 100:
		return line, fault.Say(fault.Invalid, "repeat is 1 to 100")
	case !slices.Contains(routes, line.Route):
		return line, fault.Say(fault.Invalid, "route is serve, shorten or abstain")
	case len(line.Output) > textLimit || len(line.Error) > 2000 || len(line.FirstFailedStage) > 100 || len(line.EvidenceVersion) > 200:
		return line, fault.Say(fault.Invalid, "output has at most %d characters, error 2,000", textLimit)
	case line.Window == Regression && !slices.Contains(c.RegressionCases, line.CaseID):
		return line, fault.Say(fault.Invalid, "%q is not one of the frozen regression cases", line.CaseID)
	case line.Window == Holdout && slices.Contains(c.RegressionCases, line.CaseID):
		return line, fault.Say(fault.Invalid, "%q is a regression case; the holdout has cases its author has not seen", line.CaseID)
	case line.Window == Baseline && c.Baseline == "":
		return line, fault.Say(fault.Invalid, "this handoff names no baseline")
	case c.EvidenceVersion != "" && line.EvidenceVersion != "" && line.Window == Regression && line.EvidenceVersion != c.EvidenceVersion:
		return line, fault.Say(fault.Invalid, "measured on evidence %s, the handoff froze %s", line.EvidenceVersion, c.EvidenceVersion)
	}
	for name, value := range map[string]*int64{"input_tokens": line.InputTokens, "cached_input_tokens": line.CachedInputTokens,
		"output_tokens": line.OutputTokens, "ttft_ms": line.TTFTMS, "total_ms": line.TotalMS} {
		if value != nil && (*value < 0 || *value > 1<<40) {
			return line, fault.Say(fault.Invalid, "%s is not a sensible number", name)
		}
	}
	return line, nil
}

func jsonProblem(err error) string {
	if kind, ok := err.(*json.UnmarshalTypeError); ok {
		return fmt.Sprintf("%s is not a %s", kind.Field, kind.Type)
	}
	return "it does not parse"
}

func (s *Store) keepRun(ctx context.Context, tx pgx.Tx, actor auth.Actor, handoffID int64, line runLine, text []byte, upload *Upload) error {
	sum := sha256.Sum256(text)
	result, err := json.Marshal(Result{
		Window: line.Window, CaseID: line.CaseID, Repeat: *line.Repeat, Error: line.Error, Unsafe: line.UnsafeClaimServed,
		Route: line.Route, FirstFailedStage: line.FirstFailedStage, EvidenceVersion: line.EvidenceVersion,
		Hash: "sha256:" + hex.EncodeToString(sum[:]),
	})
	if err != nil {
		return err
	}
	failed := line.Error != "" || (line.UnsafeClaimServed == nil && line.Route == "" && line.Output == "")
	tag, err := tx.Exec(ctx, `
		INSERT INTO runs (handoff_id, "window", case_id, repeat, result, output, failed,
			input_tokens, cached_input_tokens, output_tokens, ttft_ms, total_ms, uploaded_at, uploaded_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (handoff_id, "window", case_id, repeat) DO UPDATE
		SET result = excluded.result, output = excluded.output, failed = excluded.failed,
		    input_tokens = excluded.input_tokens, cached_input_tokens = excluded.cached_input_tokens,
		    output_tokens = excluded.output_tokens, ttft_ms = excluded.ttft_ms, total_ms = excluded.total_ms,
		    uploaded_at = excluded.uploaded_at, uploaded_by = excluded.uploaded_by
		WHERE runs.failed AND NOT excluded.failed`,
		handoffID, line.Window, line.CaseID, *line.Repeat, result, line.Output, failed,
		line.InputTokens, line.CachedInputTokens, line.OutputTokens, line.TTFTMS, line.TotalMS, s.now(), actor.Name)
	if err != nil {
		return fmt.Errorf("keep a run of handoff %d: %w", handoffID, err)
	}
	if tag.RowsAffected() == 0 {
		upload.Duplicate++
		if len(upload.Duplicates) < 100 {
			upload.Duplicates = append(upload.Duplicates, Ref{line.Window, line.CaseID, *line.Repeat})
		}
		return nil
	}
	upload.Accepted++
	return nil
}

// results reads what was measured for a handoff.
func results(ctx context.Context, db postgres.DB, handoffID int64) ([]Result, error) {
	rows, err := db.Query(ctx, `SELECT result FROM runs WHERE handoff_id = $1 ORDER BY "window", case_id, repeat`, handoffID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[Result])
}

// MeasuredRun is a run as the pages show it.
type MeasuredRun struct {
	Window       WindowName
	CaseID       string
	Repeat       int
	Result       Result
	Output       string
	TTFTMS       *int64 `db:"ttft_ms"`
	TotalMS      *int64 `db:"total_ms"`
	InputTokens  *int64
	OutputTokens *int64
}

// Runs lists runs of a window, violations and broken ones first. Reading the
// holdout is a use of it: it is kept who opened it.
func (s *Store) Runs(ctx context.Context, actor auth.Actor, handoffID int64, window WindowName, limit int) ([]MeasuredRun, error) {
	if err := actor.Require(auth.SeeHandoffs); err != nil {
		return nil, err
	}
	if actor.Kind == auth.Person {
		if err := s.noteOpening(ctx, actor, handoffID, window); err != nil {
			return nil, err
		}
	}
	rows, err := s.DB.Query(ctx, `
		SELECT "window", case_id, repeat, result, output, ttft_ms, total_ms, input_tokens, output_tokens
		FROM runs
		WHERE handoff_id = $1 AND "window" = $2
		ORDER BY (result->>'unsafe_claim_served')::boolean IS NOT TRUE, NOT failed, case_id, repeat
		LIMIT $3`, handoffID, window, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[MeasuredRun])
}

func (s *Store) noteOpening(ctx context.Context, actor auth.Actor, handoffID int64, window WindowName) error {
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			INSERT INTO window_openings (handoff_id, "window", person_id, opened_at)
			SELECT h.id, $2::text, $3::bigint, $4::timestamptz
			FROM handoffs h
			WHERE h.id = $1 AND NOT EXISTS (
				SELECT FROM window_openings o
				WHERE o.handoff_id = h.id AND o."window" = $2 AND o.person_id = $3 AND o.opened_at > $4 - INTERVAL '1 hour')`,
			handoffID, window, actor.ID, s.now())
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "handoff.open_window", Object: fmt.Sprintf("handoff/%d", handoffID), What: string(window)})
	})
}
