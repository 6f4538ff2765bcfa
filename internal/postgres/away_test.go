package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"assay/internal/postgres"
)

func TestAnErrorSaysWhetherPostgresIsAway(t *testing.T) {
	_, nobody := pgx.Connect(context.Background(), "postgres://nobody@127.0.0.1:1/none")
	cases := []struct {
		err  error
		away bool
	}{
		{nobody, true},
		{fmt.Errorf("check a key: %w", &pgconn.PgError{Code: "57P03"}), true},
		{&pgconn.PgError{Code: "53300"}, true},
		{io.ErrUnexpectedEOF, true},
		{&pgconn.PgError{Code: "23505"}, false},
		{&pgconn.PgError{Code: "57014"}, false},
		{pgx.ErrNoRows, false},
		{errors.New("anything else"), false},
		{nil, false},
	}
	for _, c := range cases {
		if got := postgres.Away(c.err); got != c.away {
			t.Errorf("%v: want %t, got %t", c.err, c.away, got)
		}
	}
}
