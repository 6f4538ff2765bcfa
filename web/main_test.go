package web

import (
	"flag"
	"testing"

	"assay/internal/clickhousetest"
	"assay/validators"
)

var full = flag.Bool("full", false, "run the long form of what has one")

func TestMain(m *testing.M) {
	validators.Main()
	clickhousetest.Main(m)
}
