package duckdb

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"

	"assay/internal/fault"
	"assay/validators/sandbox"
	"assay/validators/wasm"
)

// Version is the engine's, as a validator's version names it.
const Version = "1.5.6"

// placed is where npm puts the engine.
var placed = wasm.Engine{Name: "DuckDB", Version: Version, Package: "@duckdb/node-bindings-linux-x64/libduckdb.so"}

// needed are the libraries the engine rests on that a Go program does not load
// by itself, in the order in which they can be loaded.
var needed = []string{"libdl.so.2", "libpthread.so.0", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6"}

// Find returns the path of the engine's library: named, when it is given, else
// that of the nearest node_modules above the program or the working directory.
// The error says what to do.
func Find(named string) (string, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", fault.Say(fault.Unavailable, "DuckDB runs on Linux on x86-64 alone here; statements of other dialects run.")
	}
	path, err := named, error(nil)
	switch {
	case named == "":
		if path, err = placed.Find(); err != nil {
			return "", err
		}
	case !isFile(named):
		return "", fault.Say(fault.Unavailable, "There is no DuckDB library at %s. Correct ASSAY_DUCKDB_LIBRARY, or leave it out to use the one npm installed.", named)
	}
	for _, name := range needed {
		if _, ok := systemLibrary(name); !ok {
			return "", fault.Say(fault.Unavailable, "DuckDB needs %s of the system, which is not installed (on Debian: apt-get install libstdc++6).", name)
		}
	}
	return filepath.Abs(path)
}

// files are what a child is given, by name: the library and what it rests on.
func files(named string) (map[string]string, error) {
	path, err := Find(named)
	if err != nil {
		return nil, err
	}
	paths := map[string]string{libraryName: path}
	for _, name := range needed {
		paths[name], _ = systemLibrary(name)
	}
	return paths, nil
}

// Reads lists the files that children open while they start; none where there
// is no library.
func Reads(named string) []string {
	paths, err := files(named)
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Values(paths))
}

const libraryName = "libduckdb.so"

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// systemLibrary finds a library where distributions put those of x86-64.
func systemLibrary(name string) (string, bool) {
	for _, dir := range []string{"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/usr/lib", "/lib"} {
		if path, err := filepath.EvalSymlinks(filepath.Join(dir, name)); err == nil && isFile(path) {
			return path, true
		}
	}
	return "", false
}

// library is the loaded engine: one address for every function of its C
// interface that we call.
type library struct {
	createConfig, setConfig, openExt, connect, query, interrupt      uintptr
	extract, extractError, prepare, prepareError, statementType      uintptr
	columnCount, columnName, columnType                              uintptr
	pending, pendingError, execute, resultError, fetchChunk          uintptr
	chunkSize, chunkVector, vectorData, vectorValidity               uintptr
	destroyResult, destroyPrepared, destroyExtracted, destroyPending uintptr
	destroyChunk                                                     uintptr
}

// load opens the shared library and finds every function in it, so that a
// wrong version fails here and by name. What it rests on is loaded before it:
// nothing is searched for.
func load(files sandbox.Files) (*library, error) {
	var handle uintptr
	for _, name := range append(slices.Clone(needed), libraryName) {
		file := files[name]
		if file == nil {
			return nil, fmt.Errorf("load %s: it was not handed over", name)
		}
		var err error
		if handle, err = purego.Dlopen(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), purego.RTLD_NOW|purego.RTLD_GLOBAL); err != nil {
			return nil, fmt.Errorf("load %s: %w", name, err)
		}
	}
	l := &library{}
	for name, into := range map[string]*uintptr{
		"duckdb_create_config": &l.createConfig, "duckdb_set_config": &l.setConfig, "duckdb_open_ext": &l.openExt, "duckdb_connect": &l.connect,
		"duckdb_query": &l.query, "duckdb_interrupt": &l.interrupt,
		"duckdb_extract_statements": &l.extract, "duckdb_extract_statements_error": &l.extractError, "duckdb_prepare_extracted_statement": &l.prepare,
		"duckdb_prepare_error": &l.prepareError, "duckdb_prepared_statement_type": &l.statementType,
		"duckdb_column_count": &l.columnCount, "duckdb_column_name": &l.columnName, "duckdb_column_type": &l.columnType,
		"duckdb_pending_prepared_streaming": &l.pending, "duckdb_pending_error": &l.pendingError, "duckdb_execute_pending": &l.execute,
		"duckdb_result_error": &l.resultError, "duckdb_fetch_chunk": &l.fetchChunk,
		"duckdb_data_chunk_get_size": &l.chunkSize, "duckdb_data_chunk_get_vector": &l.chunkVector, "duckdb_vector_get_data": &l.vectorData,
		"duckdb_vector_get_validity": &l.vectorValidity,
		"duckdb_destroy_result":      &l.destroyResult, "duckdb_destroy_prepare": &l.destroyPrepared, "duckdb_destroy_extracted": &l.destroyExtracted,
		"duckdb_destroy_pending": &l.destroyPending, "duckdb_destroy_data_chunk": &l.destroyChunk,
	} {
		var err error
		if *into, err = purego.Dlsym(handle, name); err != nil {
			return nil, fmt.Errorf("the DuckDB library lacks %s: %w", name, err)
		}
	}
	return l, nil
}

// call runs one C function of integers and addresses.
//
//go:uintptrescapes
func call(fn uintptr, args ...uintptr) uintptr {
	r, _, _ := purego.SyscallN(fn, args...)
	return r
}

// result is C's duckdb_result: six words whose meaning is the library's.
type result [6]uintptr

// fetch returns the next piece of a result, 0 at its end. C takes the struct by
// value, which on x86-64 puts it on the stack, behind the six registers that
// hold arguments and are not used here.
func (l *library) fetch(r *result) uintptr {
	return call(l.fetchChunk, 0, 0, 0, 0, 0, 0, r[0], r[1], r[2], r[3], r[4], r[5])
}

// zeroEnded is a text as C reads it. The caller has seen that it holds no zero
// byte.
func zeroEnded(s string) *byte { return unsafe.SliceData(append([]byte(s), 0)) }

// textAt copies the text at an address that C returned.
func textAt(address uintptr) string {
	if address == 0 {
		return ""
	}
	start := (*byte)(pointer(address))
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(start), n)) != 0 {
		n++
	}
	return strings.Clone(unsafe.String(start, n))
}

// pointer turns an address that C returned into one that Go may read. The
// memory is the library's: the collector neither moves nor frees it.
func pointer(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }
