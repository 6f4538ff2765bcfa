package postgres

import (
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
)

// Away reports whether an error says that PostgreSQL cannot be reached, or is
// about to go: the same act may succeed in a while.
func Away(err error) bool {
	var connect *pgconn.ConnectError
	var said *pgconn.PgError
	var network net.Error
	switch {
	case err == nil:
		return false
	case errors.As(err, &connect), errors.Is(err, puddle.ErrClosedPool):
		return true
	case errors.As(err, &said):
		// Class 08 is the connection, 57P0x a shutdown, 53xxx a lack of resources.
		return strings.HasPrefix(said.Code, "08") || strings.HasPrefix(said.Code, "57P0") || strings.HasPrefix(said.Code, "53")
	}
	return errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}
