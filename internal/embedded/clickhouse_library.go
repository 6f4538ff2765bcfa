package embedded

import (
	"os"
	"path/filepath"
	"runtime"

	"assay/internal/confine"
	"assay/internal/fault"
)

// libraryPackage is where npm puts the engine.
const libraryPackage = "node_modules/@chdb/lib-linux-x64-gnu/libchdb.so"

// FindClickhouse returns the path of the engine's library: named, when it is
// given, else the one of the nearest node_modules above the program or the
// working directory. The error says what to do.
func FindClickhouse(named string) (string, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", fault.Say(fault.Unavailable,
			"The embedded ClickHouse runs on Linux on x86-64 only. Point ASSAY_CLICKHOUSE_URL at a ClickHouse server instead.")
	}
	if named != "" {
		if isFile(named) {
			return filepath.Abs(named)
		}
		return "", fault.Say(fault.Unavailable,
			"There is no ClickHouse library at %s. Correct ASSAY_CHDB_LIBRARY, or leave it out to use the one npm installed.", named)
	}
	for _, from := range placesToLook() {
		if path, ok := above(from, libraryPackage); ok {
			return path, nil
		}
	}
	return "", fault.Say(fault.Unavailable,
		"The embedded ClickHouse is not installed. Run npm ci --ignore-scripts in the folder of the program, "+
			"or set ASSAY_CHDB_LIBRARY to libchdb.so, or ASSAY_CLICKHOUSE_URL to a ClickHouse server.")
}

func placesToLook() []string {
	var places []string
	if program, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(program); err == nil {
			program = real
		}
		places = append(places, filepath.Dir(program))
	}
	if here, err := os.Getwd(); err == nil {
		places = append(places, here)
	}
	return places
}

// above looks for name in dir and in every folder over it.
func above(dir, name string) (string, bool) {
	for {
		path := filepath.Join(dir, name)
		if isFile(path) {
			return path, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// ClickhouseIsConfined reports whether this kernel keeps the engine process
// inside its own folder and off the network, beside what the engine itself
// allows.
func ClickhouseIsConfined() bool { return confine.LandlockVersion() > 0 }
