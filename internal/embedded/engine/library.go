package engine

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is the loaded engine: one address for every function of its C
// interface that we call. Handles (connections, results, streams, inserts) are
// plain addresses; they belong to the library and are freed through it.
type library struct {
	setSignalHandlersEnabled uintptr
	shutdown                 uintptr
	connect                  uintptr
	closeConn                uintptr
	query                    uintptr
	streamQuery              uintptr
	streamFetch              uintptr
	streamCancel             uintptr
	insertOpen               uintptr
	insertAppend             uintptr
	insertDone               uintptr
	insertError              uintptr
	insertCancel             uintptr
	insertDestroy            uintptr
	classify                 uintptr
	resultBuffer             uintptr
	resultLength             uintptr
	resultError              uintptr
	resultRowsRead           uintptr
	resultBytesRead          uintptr
	resultStorageRowsRead    uintptr
	resultStorageBytesRead   uintptr
	resultRowsWritten        uintptr
	resultBytesWritten       uintptr
	resultDestroy            uintptr
}

// load opens the shared library at path and finds every function in it, so
// that a wrong version fails here and by name.
func load(path string) (*library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("load the ClickHouse library %s: %w", path, err)
	}
	lib := &library{}
	for name, into := range map[string]*uintptr{
		"chdb_set_signal_handlers_enabled": &lib.setSignalHandlersEnabled,
		"chdb_shutdown":                    &lib.shutdown,
		"chdb_connect":                     &lib.connect,
		"chdb_close_conn":                  &lib.closeConn,
		"chdb_query_with_params_n":         &lib.query,
		"chdb_stream_query_with_params_n":  &lib.streamQuery,
		"chdb_stream_fetch_result":         &lib.streamFetch,
		"chdb_stream_cancel_query":         &lib.streamCancel,
		"chdb_stream_insert_with_params_n": &lib.insertOpen,
		"chdb_stream_append":               &lib.insertAppend,
		"chdb_stream_done":                 &lib.insertDone,
		"chdb_stream_insert_error":         &lib.insertError,
		"chdb_stream_cancel_insert":        &lib.insertCancel,
		"chdb_destroy_insert_stream":       &lib.insertDestroy,
		"chdb_classify_query_n":            &lib.classify,
		"chdb_result_buffer":               &lib.resultBuffer,
		"chdb_result_length":               &lib.resultLength,
		"chdb_result_error":                &lib.resultError,
		"chdb_result_rows_read":            &lib.resultRowsRead,
		"chdb_result_bytes_read":           &lib.resultBytesRead,
		"chdb_result_storage_rows_read":    &lib.resultStorageRowsRead,
		"chdb_result_storage_bytes_read":   &lib.resultStorageBytesRead,
		"chdb_result_rows_written":         &lib.resultRowsWritten,
		"chdb_result_bytes_written":        &lib.resultBytesWritten,
		"chdb_destroy_query_result":        &lib.resultDestroy,
	} {
		if *into, err = purego.Dlsym(handle, name); err != nil {
			return nil, fmt.Errorf("the ClickHouse library %s lacks %s: %w", path, name, err)
		}
	}
	return lib, nil
}

// call runs one C function of integers and addresses.
//
//go:uintptrescapes
func call(fn uintptr, args ...uintptr) uintptr {
	r, _, _ := purego.SyscallN(fn, args...)
	return r
}

// parameter is one query parameter: its text is the value as ClickHouse's
// escaped form has it.
type parameter struct{ name, value string }

// texts hands strings to C and keeps them where they are until release.
type texts struct {
	pinner  runtime.Pinner
	address []uintptr
	length  []uintptr
}

func (t *texts) add(s string) (address, length uintptr) {
	data := unsafe.StringData(s)
	if len(s) == 0 {
		data = &noText
	} else {
		t.pinner.Pin(data)
	}
	address, length = uintptr(unsafe.Pointer(data)), uintptr(len(s))
	t.address, t.length = append(t.address, address), append(t.length, length)
	return address, length
}

// arrays returns the addresses of the two arrays, or zeros when empty.
func (t *texts) arrays() (addresses, lengths uintptr) {
	if len(t.address) == 0 {
		return 0, 0
	}
	t.pinner.Pin(&t.address[0])
	t.pinner.Pin(&t.length[0])
	return uintptr(unsafe.Pointer(&t.address[0])), uintptr(unsafe.Pointer(&t.length[0]))
}

func (t *texts) release() { t.pinner.Unpin() }

// noText stands where C wants an address and there is nothing to point to.
var noText byte

// send calls one of the three *_with_params_n functions.
func send(fn, conn uintptr, query, format string, parameters []parameter) uintptr {
	var statement, names, values texts
	defer statement.release()
	defer names.release()
	defer values.release()
	queryAt, queryLen := statement.add(query)
	formatAt, formatLen := statement.add(format)
	for _, p := range parameters {
		names.add(p.name)
		values.add(p.value)
	}
	namesAt, nameLens := names.arrays()
	valuesAt, valueLens := values.arrays()
	return call(fn, conn, queryAt, queryLen, formatAt, formatLen,
		namesAt, nameLens, valuesAt, valueLens, uintptr(len(parameters)))
}

// pointer turns an address that C returned into one that Go may read. The
// memory is the library's: the collector neither moves nor frees it.
func pointer(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }

// bytesAt copies n bytes from address.
func bytesAt(address uintptr, n uint64) []byte {
	if address == 0 || n == 0 {
		return nil
	}
	return append([]byte(nil), unsafe.Slice((*byte)(pointer(address)), n)...)
}

// view is bytesAt without the copy: valid until the result is destroyed.
func view(address uintptr, n uint64) []byte {
	if address == 0 || n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(pointer(address)), n)
}

// textAt copies the NUL-terminated text at address.
func textAt(address uintptr) string {
	if address == 0 {
		return ""
	}
	start := (*byte)(pointer(address))
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(start), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(start, n))
}
