package validators

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/validators/code"
	"assay/validators/sandbox"
)

// Own is one version of a validator of the operator's own.
type Own struct {
	ID          int64
	Name        string
	Version     string
	Language    string // python, javascript
	Script      string
	Says        string
	Reads       []string // prompt, response, context, artifact
	TaskClasses []string
	Artifacts   []string
	WallMS      int
	Canaries    []OwnCanary
	State       string // draft, active, retired
	AddedBy     string
	AddedAt     time.Time
	Tried       []Tried
	TriedAt     *time.Time
	ActivatedBy *string
	ActivatedAt *time.Time
	RetiredBy   *string
	RetiredAt   *time.Time
}

// OwnCanary is a response whose verdict the operator knows.
type OwnCanary struct {
	Name     string          `json:"name"`
	Want     string          `json:"want"`
	Prompt   string          `json:"prompt,omitempty"`
	Response string          `json:"response,omitempty"`
	Context  []string        `json:"context,omitempty"`
	Artifact json.RawMessage `json:"artifact,omitempty"`
}

const ownColumns = `id, name, version, language, script, says, reads, task_classes, artifacts, wall_ms, canaries, state,
	added_by, added_at, coalesce(tried, '[]') AS tried, tried_at, activated_by, activated_at, retired_by, retired_at`

// OwnLanguages are what scripts of the operator's own are written in.
var OwnLanguages = []string{"python", "javascript"}

// OwnReads are the parts of a response that a script may be given.
var OwnReads = []string{"prompt", "response", "context", "artifact"}

var ownName = regexp.MustCompile(`^[a-z][a-z0-9_-]{1,39}$`)

const (
	maxOwnCanaries = 50
	maxOwnInput    = 1 << 20
)

// ReadCanaries reads the canaries of an own validator: JSON, one an element.
func ReadCanaries(text string) ([]OwnCanary, error) {
	var list []OwnCanary
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&list); err != nil {
		return nil, fault.Say(fault.Invalid, "Canaries are a JSON list of objects with name, want, and any of prompt, response, context and artifact.")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fault.Say(fault.Invalid, "Canaries are one JSON list; there is more behind it.")
	}
	return list, nil
}

// check says what is wrong with a new version, in words.
func (o *Own) check(set *Set) error {
	if o.WallMS == 0 {
		o.WallMS = 5000
	}
	_, taken := set.Named(o.Name)
	switch {
	case !ownName.MatchString(o.Name):
		return fault.Say(fault.Invalid, "A validator's name has 2 to 40 small letters, digits, - and _, and starts with a letter.")
	case taken == nil || slices.Contains([]string{"new", "own", "judge"}, o.Name):
		return fault.Say(fault.Invalid, "The product has a validator of this name. Choose another.")
	case !slices.Contains(OwnLanguages, o.Language):
		return fault.Say(fault.Invalid, "A script is written in one of: %s.", strings.Join(OwnLanguages, ", "))
	case strings.TrimSpace(o.Script) == "" || len(o.Script) > code.MaxScript:
		return fault.Say(fault.Invalid, "A script has 1 byte to %d KiB.", code.MaxScript>>10)
	case strings.TrimSpace(o.Says) == "" || len([]rune(o.Says)) > 500:
		return fault.Say(fault.Invalid, "Say in 1 to 500 letters what it checks.")
	case len(o.Reads) == 0 || slices.ContainsFunc(o.Reads, func(r string) bool { return !slices.Contains(OwnReads, r) }):
		return fault.Say(fault.Invalid, "A script reads at least one of: %s.", strings.Join(OwnReads, ", "))
	case o.WallMS < 200 || o.WallMS > 30_000:
		return fault.Say(fault.Invalid, "A script takes at most 200 to 30,000 ms.")
	case len(o.Canaries) > maxOwnCanaries:
		return fault.Say(fault.Invalid, "At most %d canaries.", maxOwnCanaries)
	}
	if err := errors.Join(checkNames("task classes", o.TaskClasses), checkNames("kinds of artifact", o.Artifacts)); err != nil {
		return err
	}
	return checkOwnCanaries(o.Canaries)
}

// checkOwnCanaries wants at least one that passes and one that fails: a script
// that always says the same would answer either alone.
func checkOwnCanaries(list []OwnCanary) error {
	wants := map[string]int{}
	names := map[string]bool{}
	for _, c := range list {
		switch {
		case c.Name == "" || len([]rune(c.Name)) > 80 || names[c.Name]:
			return fault.Say(fault.Invalid, "Each canary has a name of its own, of 1 to 80 letters.")
		case c.Want != Pass && c.Want != Fail && c.Want != Inconclusive:
			return fault.Say(fault.Invalid, "A canary wants pass, fail or inconclusive.")
		}
		names[c.Name] = true
		wants[c.Want]++
	}
	if wants[Pass] == 0 || wants[Fail] == 0 {
		return fault.Say(fault.Invalid, "Give at least one canary that must pass and one that must fail.")
	}
	return nil
}

// hash is the version: of all that can change a verdict.
func (o *Own) hash() (string, error) {
	text, err := json.Marshal([]any{o.Language, o.Script, o.Reads, o.TaskClasses, o.Artifacts, o.WallMS, o.Canaries})
	if err != nil {
		return "", fault.Say(fault.Invalid, "An artifact of a canary is not JSON.")
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6]), nil
}

// Register keeps a version of an own validator as a draft. The same version
// again is a Conflict. It judges nothing before it is activated.
func (s *Store) Register(ctx context.Context, actor auth.Actor, o Own) (Own, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return Own{}, err
	}
	set, err := s.set()
	if err != nil {
		return Own{}, err
	}
	o.tidy()
	if err := o.check(set); err != nil {
		return Own{}, err
	}
	if o.Version, err = o.hash(); err != nil {
		return Own{}, err
	}
	canaries, err := json.Marshal(o.Canaries)
	if err != nil || len(canaries) > maxOwnInput {
		return Own{}, fault.Say(fault.Invalid, "The canaries together have at most %d KiB.", maxOwnInput>>10)
	}
	var kept Own
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, `
			INSERT INTO own_validators (name, version, language, script, says, reads, task_classes, artifacts, wall_ms, canaries, added_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
			ON CONFLICT (name, version) DO NOTHING
			RETURNING `+ownColumns, o.Name, o.Version, o.Language, o.Script, o.Says, o.Reads, o.TaskClasses, o.Artifacts, o.WallMS, canaries, actor.Name)
		var err error
		kept, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Own])
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Say(fault.Conflict, "This very version of %s is registered already.", o.Name)
		}
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "validator.register", Object: "validator/" + o.Name,
			What: fmt.Sprintf("version %s, %s, %d canaries", o.Version, o.Language, len(o.Canaries)), After: o.Version})
	})
	return kept, err
}

// tidy leaves no nil where the database keeps an empty list.
func (o *Own) tidy() {
	o.Name, o.Says = strings.TrimSpace(o.Name), strings.TrimSpace(o.Says)
	o.Script = strings.ReplaceAll(o.Script, "\r\n", "\n")
	for _, list := range []*[]string{&o.Reads, &o.TaskClasses, &o.Artifacts} {
		*list = slices.Compact(slices.Sorted(slices.Values(*list)))
		if *list == nil {
			*list = []string{}
		}
	}
}

// Owns lists the versions of own validators, "" of all names, those that judge
// first, then the newest.
func (s *Store) Owns(ctx context.Context, actor auth.Actor, name string) ([]Own, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT `+ownColumns+`
		FROM own_validators
		WHERE $1 = '' OR name = $1
		ORDER BY name, state <> 'active', id DESC`, name)
	return pgx.CollectRows(rows, pgx.RowToStructByName[Own])
}

func (s *Store) own(ctx context.Context, id int64) (Own, error) {
	rows, _ := s.DB.Query(ctx, `SELECT `+ownColumns+` FROM own_validators WHERE id = $1`, id)
	o, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Own])
	if errors.Is(err, pgx.ErrNoRows) {
		return o, fault.Say(fault.NotFound, "There is no such validator.")
	}
	return o, err
}

// TryOwn tries the canaries of a version and keeps what they came to, whether
// it judges or not.
func (s *Store) TryOwn(ctx context.Context, actor auth.Actor, id int64) (Round, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return Round{}, err
	}
	set, err := s.set()
	if err != nil {
		return Round{}, err
	}
	o, err := s.own(ctx, id)
	if err != nil {
		return Round{}, err
	}
	return s.tryOwn(ctx, set, o)
}

func (s *Store) tryOwn(ctx context.Context, set *Set, o Own) (Round, error) {
	round, err := set.TryCanaries(ctx, o.validator())
	if err != nil {
		return round, err
	}
	tried, err := json.Marshal(round.Tried)
	if err != nil {
		return round, err
	}
	_, err = s.DB.Exec(ctx, `UPDATE own_validators SET tried = $2, tried_at = clock_timestamp() WHERE id = $1`, o.ID, tried)
	return round, err
}

// Activate lets a version judge, once each of its canaries was answered as it
// must be, now. The version of the same name that judged before is retired.
func (s *Store) Activate(ctx context.Context, actor auth.Actor, id int64, onArrival bool) error {
	if err := actor.Require(auth.Configure); err != nil {
		return err
	}
	set, err := s.set()
	if err != nil {
		return err
	}
	o, err := s.own(ctx, id)
	if err != nil {
		return err
	}
	if err := checkOwnCanaries(o.Canaries); err != nil {
		return err
	}
	round, err := s.tryOwn(ctx, set, o)
	if err != nil {
		return err
	}
	if wrong, is := round.Wrong(); is {
		return fault.Say(fault.Conflict, "It is not active: the canary “%s” was answered %s, %s is right.", wrong.Name, wrong.Got, wrong.Want)
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `
			UPDATE own_validators SET state = 'retired', retired_by = $2, retired_at = clock_timestamp()
			WHERE name = $1 AND state = 'active' AND id <> $3`, o.Name, actor.Name, id); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `
			UPDATE own_validators SET state = 'active', activated_by = $2, activated_at = clock_timestamp(), retired_by = NULL, retired_at = NULL
			WHERE id = $1 AND state <> 'active'`, id, actor.Name)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fault.Say(fault.Conflict, "This version judges already.")
		}
		if err := setArrival(ctx, tx, actor, o.Name, onArrival, o.TaskClasses); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "validator.activate", Object: "validator/" + o.Name, What: "version " + o.Version, After: o.Version})
	})
}

// Retire ends a version's judging. Its verdicts stay; what waits for it goes.
func (s *Store) Retire(ctx context.Context, actor auth.Actor, id int64) error {
	if err := actor.Require(auth.Configure); err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var name, version string
		err := tx.QueryRow(ctx, `
			UPDATE own_validators SET state = 'retired', retired_by = $2, retired_at = clock_timestamp()
			WHERE id = $1 AND state <> 'retired'
			RETURNING name, version`, id, actor.Name).Scan(&name, &version)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Say(fault.Conflict, "This version is retired already, or there is none.")
		}
		if err != nil {
			return err
		}
		for _, sql := range []string{
			`DELETE FROM checks WHERE validator = $1 AND NOT EXISTS (SELECT FROM own_validators WHERE name = $1 AND state = 'active')`,
			`UPDATE validator_schedules SET retired_at = clock_timestamp()
			 WHERE validator = $1 AND retired_at IS NULL AND NOT EXISTS (SELECT FROM own_validators WHERE name = $1 AND state = 'active')`,
			`UPDATE reruns SET state = 'cancelled', ended_at = clock_timestamp()
			 WHERE validator = $1 AND ended_at IS NULL AND NOT EXISTS (SELECT FROM own_validators WHERE name = $1 AND state = 'active')`,
		} {
			if _, err := tx.Exec(ctx, sql, name); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "validator.retire", Object: "validator/" + name, What: "version " + version})
	})
}

// ownServing are the own validators that judge now.
func (s *Store) ownServing(ctx context.Context, set *Set) ([]Validator, error) {
	rows, _ := s.DB.Query(ctx, `SELECT `+ownColumns+` FROM own_validators WHERE state = 'active' ORDER BY name`)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Own])
	if err != nil {
		return nil, fmt.Errorf("read own validators: %w", err)
	}
	var serving []Validator
	for _, o := range list {
		if _, err := set.Named(o.Name); err != nil { // the product may have taken the name since
			serving = append(serving, o.validator())
		}
	}
	return serving, nil
}

// scriptPrograms are the children that run the operator's scripts.
func scriptPrograms() []sandbox.Program {
	return []sandbox.Program{code.OperatorPython, code.OperatorJavaScript}
}

// program is the child this version needs, with its own limit of time.
func (o Own) program() sandbox.Program {
	p := code.OperatorPython
	if o.Language == "javascript" {
		p = code.OperatorJavaScript
	}
	p.Limits.Wall = time.Duration(o.WallMS) * time.Millisecond
	return p
}

// validator is the version as the stage runs it.
func (o Own) validator() Validator {
	version := code.Python.Version
	if o.Language == "javascript" {
		version = code.QuickJS.Version
	}
	v := Validator{Name: o.Name, Version: o.Version + "+" + engine(o.Language, version), Says: o.Says, Kinds: []string{kindResponse},
		Scope: Scope{TaskClasses: o.TaskClasses, Artifacts: o.Artifacts}, Limits: o.program().Limits, Own: true,
		check: func(ctx context.Context, box Sandbox, in Input) (Opinion, error) { return o.judge(ctx, box, in) }}
	for _, c := range o.Canaries {
		artifact, err := json.Marshal(struct {
			Kind string `json:"kind"`
			OwnCanary
		}{kindResponse, c})
		if err == nil { // it came out of JSON
			v.Canaries = append(v.Canaries, Canary{Name: c.Name, Artifact: string(artifact), Want: c.Want})
		}
	}
	return v
}

// judge gives the script what it declared, and reads its answer.
func (o Own) judge(ctx context.Context, box Sandbox, in Input) (Opinion, error) {
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(in.Artifact, &whole); err != nil {
		return Opinion{Verdict: Inconclusive, Reason: ReasonInput, Message: "The response is not JSON."}, nil
	}
	given := map[string]json.RawMessage{}
	for _, part := range o.Reads {
		if value, ok := whole[part]; ok {
			given[part] = value
		} else {
			given[part] = json.RawMessage("null")
		}
	}
	response, err := json.Marshal(given)
	if err != nil || len(response) > maxOwnInput {
		return Opinion{Verdict: Inconclusive, Reason: ReasonInput, Message: fmt.Sprintf("The parts of the response that it reads have more than %d KiB.", maxOwnInput>>10)}, nil
	}
	var out code.Checked
	opinion, done, err := askWithin(ctx, box, o.program(), o.program().Limits, code.Check{Script: o.Script, Response: response}, &out)
	if err != nil || !done {
		return opinion, err
	}
	if out.Reason != "" {
		return Opinion{Verdict: Inconclusive, Reason: out.Reason, Message: out.Message}, nil
	}
	return readOwnAnswer(out.Answer), nil
}

var ownReason = regexp.MustCompile(`^[a-z0-9_]{1,60}$`)

// readOwnAnswer takes an answer that is whole and nothing else; anything else
// is inconclusive.
func readOwnAnswer(answer json.RawMessage) Opinion {
	var said struct {
		Verdict  string          `json:"verdict"`
		Reason   string          `json:"reason"`
		Message  string          `json:"message"`
		Evidence json.RawMessage `json:"evidence"`
	}
	decoder := json.NewDecoder(bytes.NewReader(answer))
	decoder.DisallowUnknownFields()
	known := decoder.Decode(&said) == nil && (said.Verdict == Pass || said.Verdict == Fail || said.Verdict == Inconclusive) &&
		ownReason.MatchString(said.Reason)
	if known && present(said.Evidence) {
		var object map[string]any
		known = json.Unmarshal(said.Evidence, &object) == nil
	}
	if !known {
		return Opinion{Verdict: Inconclusive, Reason: ReasonAnswer,
			Message: "The script's answer is not an object with verdict (pass, fail, inconclusive), reason (small letters, digits, _), message and evidence."}
	}
	o := Opinion{Verdict: said.Verdict, Reason: said.Reason, Message: said.Message}
	if present(said.Evidence) {
		o.Evidence = said.Evidence
	}
	return o
}

// ReasonAnswer says that a script of the operator's own answered what is no
// verdict.
const ReasonAnswer = "script_answer"
