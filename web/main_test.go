package web

import (
	"testing"

	"assay/internal/clickhousetest"
	"assay/validators"
)

func TestMain(m *testing.M) {
	validators.Main()
	clickhousetest.Main(m)
}
