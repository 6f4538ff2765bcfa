package jobs

import (
	"testing"

	"assay/internal/clickhousetest"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }
