package engine

import "encoding/binary"

// helloStatement is what clickhouse-go asks before anything else, over HTTP.
const helloStatement = "SELECT displayName(), version(), revision(), timezone()"

// helloRevision is the revision of the Native format at which the client reads
// the answer to helloStatement. It then goes on at the revision that the answer
// holds.
const helloRevision = 54460

// helloFor answers the handshake in the frame of helloRevision with revision
// 0, since 0 is the only revision this library writes.
func helloFor(name, version string) []byte {
	var b []byte
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	column := func(name, kind string) {
		text(name)
		text(kind)
		b = append(b, 0) // no custom serialization
	}
	// The block's own fields: 1 is "overflows", 2 is the bucket, 0 ends them.
	b = append(b, 1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0)
	b = binary.AppendUvarint(b, 4) // columns
	b = binary.AppendUvarint(b, 1) // rows
	column("displayName()", "String")
	text(name)
	column("version()", "String")
	text(version)
	column("revision()", "UInt32")
	b = binary.LittleEndian.AppendUint32(b, 0)
	column("timezone()", "String")
	text("UTC")
	return b
}
