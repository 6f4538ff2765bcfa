package validators

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/validators/fixture"
	"assay/validators/sandbox"
)

// Fixture is one version of a schema with its rows, or of a workbook, that
// responses name instead of carrying it.
type Fixture struct {
	ID      int64
	Name    string
	Version int
	Kind    string // tables, workbook
	Dialect string // of a script; "" runs in any
	Format  string // of the file it came as
	Hash    string
	Outline []fixture.Part
	Bytes   int
	About   string
	AddedBy string
	AddedAt time.Time
}

const fixtureColumns = `id, name, version, kind, dialect, format, hash, outline, bytes, about, added_by, added_at`

// File is what somebody uploads as a fixture.
type File struct {
	Fixture string // the name it gets
	Name    string // of the file
	Format  string // "" goes by the file's name
	Dialect string // of a script; "" is sqlite
	About   string
	Bytes   []byte
}

var fixtureName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// fixtureProgram reads uploads. A file may be anything, so that a child reads
// one and ends.
var fixtureProgram = sandbox.Program{
	Name:   "fixture",
	Limits: sandbox.Limits{Wall: 15 * time.Second, Memory: 768 << 20, Output: 32 << 20},
	Open: func(sandbox.Files) (sandbox.Work, error) {
		return func(_ context.Context, input []byte) ([]byte, error) {
			var job fixtureJob
			if err := json.Unmarshal(input, &job); err != nil {
				return nil, err
			}
			var answer fixtureAnswer
			content, err := fixture.Read(job.Format, job.Name, job.Bytes)
			if answer.Content = content; err != nil {
				answer = fixtureAnswer{Trouble: err.Error()}
			}
			return json.Marshal(answer)
		}, nil
	},
}

type fixtureJob struct {
	Format, Name string
	Bytes        []byte
}

type fixtureAnswer struct {
	Content fixture.Content
	Trouble string
}

// AddFixture keeps a file as the next version of a fixture, once it has been
// read in the sandbox and, where it makes tables, built by its engine. The same
// content as the newest version is a Conflict.
func (s *Store) AddFixture(ctx context.Context, actor auth.Actor, f File) (Fixture, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return Fixture{}, err
	}
	if err := f.check(); err != nil {
		return Fixture{}, err
	}
	set, err := s.set()
	if err != nil {
		return Fixture{}, err
	}
	content, err := set.readFixture(ctx, &f)
	if err != nil {
		return Fixture{}, err
	}
	return s.keepFixture(ctx, actor, f, content)
}

// check refuses what is no fixture by its name, its size or its kind, and finds
// out the kind where it is not said.
func (f *File) check() error {
	if !fixtureName.MatchString(f.Fixture) {
		return fault.Say(fault.Invalid, "A fixture's name has small letters, digits, _ and -, 63 at most, and starts with a letter or digit.")
	}
	if len(f.Bytes) == 0 || len(f.Bytes) > fixture.MaxFile {
		return fault.Say(fault.Invalid, "Send a file of 1 byte to %d MiB.", fixture.MaxFile>>20)
	}
	if len([]rune(f.About)) > 300 {
		return fault.Say(fault.Invalid, "What a fixture is takes at most 300 letters.")
	}
	if f.Format = cmp.Or(f.Format, fixture.FormatOf(f.Name, f.Bytes)); !slices.Contains(fixture.Formats, f.Format) {
		return fault.Say(fault.Invalid, "A fixture is a file of one of these kinds: %s.", strings.Join(fixture.Formats, ", "))
	}
	return nil
}

// readFixture reads a file in the sandbox. What is wrong with it is Invalid.
func (s *Set) readFixture(ctx context.Context, f *File) (fixture.Content, error) {
	name := f.Name
	if f.Format == "csv" {
		name = cmp.Or(strings.TrimSpace(name), f.Fixture+".csv")
	}
	var answer fixtureAnswer
	o, done, err := ask(ctx, s.box, fixtureProgram, fixtureJob{f.Format, name, f.Bytes}, &answer)
	switch {
	case err != nil:
		return fixture.Content{}, err
	case !done:
		return fixture.Content{}, fault.Say(fault.Invalid, "The file could not be read: %s", o.Message)
	case answer.Trouble != "":
		return fixture.Content{}, fault.Say(fault.Invalid, "%s", answer.Trouble)
	}
	content := answer.Content
	if content.Kind != fixture.Tables {
		f.Dialect = ""
		return content, nil
	}
	dialect := "sqlite"
	if f.Format == "sql" {
		f.Dialect = cmp.Or(f.Dialect, dialect)
		dialect = f.Dialect
	} else {
		f.Dialect = ""
	}
	outline, err := s.outline(ctx, dialect, content.SQL)
	if err == nil && len(content.Outline) == 0 {
		content.Outline = outline
	}
	return content, err
}

// outline builds a script and lists its tables.
func (s *Set) outline(ctx context.Context, dialect, script string) ([]fixture.Part, error) {
	o, tables, err := s.describeSchema(ctx, dialect, script)
	if err != nil {
		return nil, err
	}
	if o.Verdict != Pass {
		return nil, fault.Say(fault.Invalid, "%s", o.Message)
	}
	if len(tables) == 0 {
		return nil, fault.Say(fault.Invalid, "The script makes no table.")
	}
	var parts []fixture.Part
	for _, name := range tables.Tables() {
		parts = append(parts, fixture.Part{Name: name, Columns: tables[name], Rows: -1})
	}
	return parts, nil
}

// keepFixture writes the next version with its audit entry.
func (s *Store) keepFixture(ctx context.Context, actor auth.Actor, f File, content fixture.Content) (Fixture, error) {
	text, hash, err := f.keeps(content)
	if err != nil {
		return Fixture{}, err
	}
	outline, err := json.Marshal(content.Outline)
	if err != nil {
		return Fixture{}, err
	}
	kept := Fixture{Hash: hash}
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('fixture/' || $1, 0))`, f.Fixture); err != nil {
			return err
		}
		var last int
		var same string
		err := tx.QueryRow(ctx, `SELECT version, hash FROM fixtures WHERE name = $1 ORDER BY version DESC LIMIT 1`, f.Fixture).Scan(&last, &same)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if same == kept.Hash {
			return fault.Say(fault.Conflict, "Version %d of %s has the same content.", last, f.Fixture)
		}
		rows, _ := tx.Query(ctx, `
			INSERT INTO fixtures (name, version, kind, dialect, format, content, hash, outline, bytes, about, added_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
			RETURNING `+fixtureColumns, f.Fixture, last+1, content.Kind, f.Dialect, f.Format, text, kept.Hash, outline, len(f.Bytes), f.About, actor.Name)
		if kept, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Fixture]); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "fixture.add", Object: "fixture/" + kept.Name,
			What: fmt.Sprintf("version %d, %s, %d bytes", kept.Version, kept.Format, kept.Bytes), After: kept.Hash})
	})
	return kept, err
}

// keeps is what is kept of a file's content, and its hash.
func (f File) keeps(content fixture.Content) (text, hash string, err error) {
	text = content.SQL
	if content.Kind == fixture.Workbook {
		cells, err := json.Marshal(workbook{content.Cells, content.Sheets})
		if err != nil {
			return "", "", err
		}
		text = string(cells)
	}
	sum := sha256.Sum256([]byte(f.Dialect + "\x00" + text))
	return text, "sha256:" + hex.EncodeToString(sum[:]), nil
}

// Fixtures lists the newest version of each fixture, by name.
func (s *Store) Fixtures(ctx context.Context, actor auth.Actor) ([]Fixture, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT DISTINCT ON (name) `+fixtureColumns+`
		FROM fixtures
		ORDER BY name, version DESC`)
	return pgx.CollectRows(rows, pgx.RowToStructByName[Fixture])
}

// Fixture returns the versions of one fixture, newest first, and the content of
// the newest.
func (s *Store) Fixture(ctx context.Context, actor auth.Actor, name string) ([]Fixture, string, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, "", err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT `+fixtureColumns+`
		FROM fixtures
		WHERE name = $1
		ORDER BY version DESC`, name)
	versions, err := pgx.CollectRows(rows, pgx.RowToStructByName[Fixture])
	if err != nil {
		return nil, "", err
	}
	if len(versions) == 0 {
		return nil, "", fault.Say(fault.NotFound, "There is no fixture of this name.")
	}
	var content string
	err = s.DB.QueryRow(ctx, `SELECT content FROM fixtures WHERE id = $1`, versions[0].ID).Scan(&content)
	return versions, content, err
}

// held is a fixture as a check takes it.
type held struct {
	ID      int64
	Name    string
	Version int
	Kind    string
	Dialect string
	Hash    string
	Content string
}

// workbook is the content of a fixture that is one.
type workbook struct {
	Cells  map[string]any `json:"cells"`
	Sheets []string       `json:"sheets"`
}

// withFixture looks up the fixture an artifact names, "shop" or "shop@3". One
// that does not exist leaves the input as it is: the check says so.
func (s *Store) withFixture(ctx context.Context, in Input) (Input, error) {
	name, version := in.names()
	if name == "" {
		return in, nil
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT id, name, version, kind, dialect, hash, content
		FROM fixtures
		WHERE name = $1 AND ($2 = 0 OR version = $2)
		ORDER BY version DESC
		LIMIT 1`, name, version)
	f, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[held])
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return in, nil
	case err != nil:
		return in, fmt.Errorf("read the fixture %s: %w", name, err)
	}
	in.fixture = &f
	return in, nil
}

// names is the fixture the artifact names, and its version; 0 is the newest.
func (in Input) names() (name string, version int) {
	var a struct {
		Fixture  string `json:"fixture"`
		Database string `json:"database"`
	}
	if json.Unmarshal(in.Artifact, &a) != nil {
		return "", 0
	}
	name, number, found := strings.Cut(cmp.Or(a.Fixture, a.Database), "@")
	if found {
		var err error
		if version, err = strconv.Atoi(number); err != nil || version < 1 || version > 1<<30 {
			return "", 0
		}
	}
	if !fixtureName.MatchString(name) {
		return "", 0
	}
	return name, version
}

// String is the fixture as evidence names it.
func (f *held) String() string { return fmt.Sprintf("%s@%d", f.Name, f.Version) }
