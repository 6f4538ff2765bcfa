package engine

import (
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// externalTable is data a request brings along: a temporary table of the
// request's own connection.
type externalTable struct {
	name, format, structure string
	data                    []byte
}

// externalMost bounds what a request may bring along in all.
const externalMost = 64 << 20

// owns reports whether a parameter of the address describes the table.
func (t externalTable) owns(parameter string) bool {
	switch parameter {
	case t.name + "_format", t.name + "_structure", t.name + "_types":
		return true
	}
	return false
}

// externalFrom reads a multipart body: one part per table, and the statement
// as a field named query. It returns nil for any other body.
func externalFrom(r *http.Request, query url.Values) ([]externalTable, error) {
	if r.Method == http.MethodGet || !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return nil, nil
	}
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, refuse(codeBadArguments, "The multipart body cannot be read")
	}
	var tables []externalTable
	left := int64(externalMost)
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return tables, nil
		}
		if err != nil {
			return nil, refuse(codeCannotReadAllData, "The multipart body ends early")
		}
		data, err := io.ReadAll(io.LimitReader(part, left+1))
		if err != nil {
			return nil, refuse(codeCannotReadAllData, "The multipart body ends early")
		}
		if left -= int64(len(data)); left < 0 {
			return nil, refuse(codeBadArguments, "External tables are limited to %d bytes", externalMost)
		}
		name := part.FormName()
		if name == "query" {
			query.Set("query", query.Get("query")+string(data))
			continue
		}
		table, err := externalFromPart(part, name, query)
		if err != nil {
			return nil, err
		}
		table.data = data
		tables = append(tables, table)
	}
}

func externalFromPart(part *multipart.Part, name string, query url.Values) (externalTable, error) {
	t := externalTable{name: name, format: query.Get(name + "_format"), structure: query.Get(name + "_structure")}
	if t.format == "" {
		t.format = "TabSeparated"
	}
	if t.format == "Values" {
		return t, refuse(codeBadArguments, "An external table comes in another format than Values")
	}
	if !identifier.MatchString(name) || !slices.Contains(formats, t.format) || t.structure == "" {
		return t, refuse(codeBadArguments, "An external table needs a plain name and its _structure")
	}
	return t, nil
}

// bring makes the external tables of a request on its connection.
func (c *connection) bring(tables []externalTable, admit func(string) error) error {
	for _, t := range tables {
		create := "CREATE TEMPORARY TABLE " + quotedName(t.name) + " (" + t.structure + ") ENGINE = Memory"
		// The structure is the client's text: what it makes of the statement is
		// examined like any other.
		if err := admit(create); err != nil {
			return err
		}
		if err := c.run(create); err != nil {
			return err
		}
		i, err := c.insert("INSERT INTO "+quotedName(t.name), t.format, nil)
		if err != nil {
			return err
		}
		err = i.append(t.data)
		if err == nil {
			_, err = i.commit()
		}
		i.close()
		if err != nil {
			return err
		}
	}
	return nil
}
