package clickhousetest_test

import (
	"testing"

	"assay/internal/clickhousetest"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

func TestEveryTestHasItsOwnDatabase(t *testing.T) {
	conn := clickhousetest.Database(t)
	other := clickhousetest.Database(t)
	if err := conn.Exec(t.Context(), "CREATE TABLE mine (a UInt8) ENGINE = MergeTree ORDER BY a"); err != nil {
		t.Fatal(err)
	}
	var there uint8
	if err := other.QueryRow(t.Context(), "EXISTS TABLE mine").Scan(&there); err != nil {
		t.Fatal(err)
	}
	if there != 0 {
		t.Error("a table of one test is there in the database of another")
	}
}
