// Package clickhouse opens the store for reading much at once and brings its
// schema up to date. It speaks HTTP, to the embedded engine and to a real
// server alike.
package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"assay/internal/fault"
)

// unknownDatabase is ClickHouse's code for a database that is not there.
const unknownDatabase = 81

// Open connects to dsn (http or https, with user, password and database) and
// proves that it answers. A database that is not there yet is made. An error
// of kind Unavailable may pass; Invalid means the address itself.
func Open(ctx context.Context, dsn string) (driver.Conn, error) {
	options, err := options(dsn)
	if err != nil {
		return nil, err
	}
	conn, err := openOptions(ctx, options)
	if Code(err) == unknownDatabase && options.Auth.Database != "" {
		if err := makeDatabase(ctx, *options); err != nil {
			return nil, err
		}
		return openOptions(ctx, options)
	}
	return conn, err
}

// Later is Open without waiting for an answer: what is asked of the connection
// fails as Unavailable until ClickHouse is there, and works from then on.
func Later(dsn string) (driver.Conn, error) {
	options, err := options(dsn)
	if err != nil {
		return nil, err
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	return conn, nil
}

// options reads an address.
func options(dsn string) (*clickhouse.Options, error) {
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the ClickHouse address: %w: %w", err, fault.Invalid)
	}
	if options.Protocol != clickhouse.HTTP {
		return nil, fault.Say(fault.Invalid, "The ClickHouse address must begin with http:// or https://, since the product speaks HTTP to it.")
	}
	setDefaults(options)
	return options, nil
}

// setDefaults fills in what the address leaves open.
func setDefaults(options *clickhouse.Options) {
	if options.DialTimeout == 0 {
		options.DialTimeout = 5 * time.Second
	}
	if options.MaxIdleConns == 0 {
		options.MaxIdleConns = 8
	}
	if options.MaxOpenConns == 0 {
		options.MaxOpenConns = 24
	}
	if options.ConnMaxLifetime == 0 {
		options.ConnMaxLifetime = 10 * time.Minute
	}
	if options.Compression == nil && !onLoopback(options.Addr) {
		options.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	}
}

// Narrow is the same address for at most so many connections at a time.
func Narrow(dsn string, connections int) (string, error) {
	address, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("read the ClickHouse address: %w", fault.Invalid)
	}
	query := address.Query()
	query.Set("max_open_conns", strconv.Itoa(connections))
	query.Set("max_idle_conns", strconv.Itoa(connections))
	address.RawQuery = query.Encode()
	return address.String(), nil
}

// onLoopback reports whether every address is this machine, where compressing
// costs more than it saves.
func onLoopback(addresses []string) bool {
	for _, address := range addresses {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			host = address
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

func openOptions(ctx context.Context, options *clickhouse.Options) (driver.Conn, error) {
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	if err := Healthy(ctx, conn); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func makeDatabase(ctx context.Context, options clickhouse.Options) error {
	name := options.Auth.Database
	options.Auth.Database = ""
	conn, err := openOptions(ctx, &options)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+Name(name)); err != nil {
		return fmt.Errorf("make the ClickHouse database %s: %w", name, err)
	}
	return nil
}

// Healthy runs a real query, so that it is nil only when ClickHouse really
// answers. The error is of kind Unavailable.
func Healthy(ctx context.Context, conn driver.Conn) error {
	var one uint8
	if err := conn.QueryRow(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("reach ClickHouse: %w: %w", err, fault.Unavailable)
	}
	return nil
}

// Code returns ClickHouse's number for an error, or 0 when it has none.
func Code(err error) int {
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		return int(exception.Code)
	}
	return 0
}

// Name writes an identifier so that any name is only a name.
func Name(name string) string {
	quoted := make([]byte, 0, len(name)+2)
	quoted = append(quoted, '`')
	for i := range len(name) {
		if name[i] == '`' || name[i] == '\\' {
			quoted = append(quoted, '\\')
		}
		quoted = append(quoted, name[i])
	}
	return string(append(quoted, '`'))
}
