package telemetry

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/clickhousetest"
	"assay/internal/postgrestest"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

var (
	product  = auth.Product()
	sender   = auth.Actor{Kind: auth.Key, ID: 7, Name: "wb_test", Scopes: []auth.Scope{auth.ScopeIngest}}
	engineer = auth.Actor{Kind: auth.Person, ID: 1, Name: "Engineer", Roles: []auth.Role{auth.Engineer}}
	labeler  = auth.Actor{Kind: auth.Person, ID: 2, Name: "Labeler", Roles: []auth.Role{auth.Labeler}}
)

// noon is when these tests take place, unless they say otherwise.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// newStore is a store on databases of its own, at noon, whose sender's key
// keeps everything.
func newStore(t testing.TB) *Store {
	t.Helper()
	s := &Store{
		DB:         postgrestest.Database(t),
		Clickhouse: clickhousetest.Database(t),
		Clock:      func() time.Time { return noon },
	}
	setTerms(t, s, OpenTerms)
	return s
}

func setTerms(t testing.TB, s *Store, terms Terms) {
	t.Helper()
	if err := s.SetTerms(context.Background(), engineer, sender.ID, terms); err != nil {
		t.Fatal(err)
	}
}

func send(t testing.TB, s *Store, body string) Receipt {
	t.Helper()
	receipt, err := s.Ingest(context.Background(), sender, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

// land sends the lines and drains them; every one must be accepted.
func land(t testing.TB, s *Store, lines ...string) {
	t.Helper()
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], "\n", " ")
	}
	receipt := send(t, s, strings.Join(lines, "\n"))
	if len(receipt.Rejected) > 0 {
		t.Fatalf("rejected: %v", receipt.Rejected)
	}
	drain(t, s)
}

func drain(t testing.TB, s *Store) Drained {
	t.Helper()
	done, err := s.Drain(context.Background(), product)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// ask returns the single value a query answers.
func ask[T any](t testing.TB, s *Store, sql string, args ...any) T {
	t.Helper()
	var value T
	if err := s.Clickhouse.QueryRow(reading(context.Background()), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func at(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func answer(session string, when time.Time, more string) string {
	return fmt.Sprintf(`{"event_type":"assistant_response","session_id":%q,"event_time":%q,"task_class":"file_edit","model_version":"v1"%s}`, session, at(when), more)
}

var full = flag.Bool("full", false, "run the long form of what has one")
