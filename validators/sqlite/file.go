package sqlite

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3/ext/serdes"

	"assay/validators/query"
)

// Table is a table with its rows. A cell is nil, int64, float64, string or
// []byte.
type Table struct {
	Name    string
	Columns []string
	Rows    [][]any
}

// readTakes bounds the reading of one file, maxFileRows its rows.
const (
	readTakes   = 5 * time.Second
	maxFileRows = 200_000
)

// ReadFile reads the tables of a database file, which may be anything. Views,
// triggers and indexes are left behind.
func ReadFile(file []byte) (tables []Table, err error) {
	if !strings.HasPrefix(string(file[:min(len(file), 16)]), "SQLite format 3\x00") {
		return nil, errors.New("its first bytes are not those of one")
	}
	d, err := open()
	if err != nil {
		return nil, err
	}
	defer d.close()
	err = d.within(context.Background(), readTakes, func() error {
		if err := serdes.Deserialize(d.conn, "main", file); err != nil {
			return errors.New(said(err))
		}
		if d.schema, err = d.tables(); err != nil {
			return errors.New(said(err))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := d.conn.SetAuthorizer(d.read); err != nil {
		return nil, err
	}
	names, err := d.all(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	left := maxFileRows
	for _, row := range names.Rows {
		name, _ := row[0].(string)
		result, err := d.all(`SELECT * FROM "` + strings.ReplaceAll(name, `"`, `""`) + `"`)
		if err != nil {
			return nil, err
		}
		if left -= len(result.Rows); left < 0 {
			return nil, errors.New("it has more rows than are taken")
		}
		tables = append(tables, Table{Name: name, Columns: result.Columns, Rows: result.Rows})
	}
	return tables, nil
}

// all is rows with the words of what went wrong for people.
func (d *database) all(sql string) (query.Result, error) {
	result, err := d.rows(context.Background(), sql)
	switch {
	case errors.Is(err, errTooManyRows):
		return result, errors.New("a table has more rows than are taken")
	case err != nil:
		return result, errors.New(said(err))
	}
	return result, nil
}
