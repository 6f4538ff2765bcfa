// Package engine is the ClickHouse of one machine: the engine as a shared
// library in a process of its own that speaks ClickHouse's HTTP interface on
// loopback. The rest of the product only ever sees an address and talks to it
// with the same client as to a real server.
//
//	client ──HTTP──▶ server ──examine──▶ statement ──▶ connection ──▶ library
//	                   │                                   ▲
//	                   └── the client left ── keeper ── KILL QUERY
//
// A request is decoded (request.go), its statement examined and admitted or
// refused (statement.go), run on a fresh connection whose role, database and
// settings are those of the request (connection.go), and answered as it
// streams (answer.go).
//
// What SQL may touch is decided three times over: the users of the engine's own
// configuration name every right one by one (config.go), statements that leave
// the database are refused before they run, and the kernel denies the process
// every file outside its folder and every outgoing connection (confine.go).
// As shipped, the library lets SQL read and write any file.
package engine
