// Package telemetry takes events in, keeps them, finds them again and says
// which responses deserve a look.
//
//	body ─▶ decode ─▶ terms ─▶ redact ─▶ inbox (PostgreSQL, with its job) ─▶ 202
//	                                        │ Drain: write, confirm, remove
//	                                        ▼
//	              events, event_facts (ClickHouse) ─▶ Sessions, Session, Response,
//	                                                  Flag, FrameTotals, Traces
//
// # Contract
//
// What is acknowledged is in PostgreSQL and will be in ClickHouse exactly once
// for every reader. What a person wrote is redacted before it is stored
// anywhere; without consent it is not stored at all. Events are immutable.
//
// # Invariants
//
//   - event_id is the identity. The door refuses an id it has seen (ids are
//     kept in PostgreSQL by day of receipt); behind it every read of ClickHouse
//     goes through the one expression in read.go.
//   - A batch is removed from the inbox after ClickHouse has confirmed its
//     block, never before. A block keeps its id when it is written again.
//   - Nothing in an event can set a flag, a label, a role or a review state:
//     unknown fields are attributes, and attributes are only ever shown.
//
// # Decisions
//
//   - The inbox holds batches, not rows: one compressed body of 500 events
//     costs PostgreSQL what one row does.
//   - A body is a sheet (sheet.go): columns, written once at the door. The drainer
//     hands them on as they lie; rows are made of them again only where single
//     events are at fault, forgotten or erased. Bodies of lines, as earlier
//     versions left them, are still read.
//   - A block is written when it is good (drain.go): 20,000 events, or two seconds
//     of many, or one of a few. Each part that ClickHouse need not merge again
//     saves as much as writing it cost.
//   - Memory is bounded by what is under way, not by the load: 12 MB of bodies in
//     work and 64 MB in line (gate.go), one block of at most 32 MB for each
//     worker, held about four times on its way (packed, as columns, as the
//     driver's block and as its bytes), and two connections that keep what they
//     last sent. That is some 350 MB of live data at the very most, which the
//     collector may let grow to twice that.
//   - Batches that wait for PostgreSQL at one moment are committed together
//     (commit.go): small batches then cost a disk write and a job per group.
//   - Before a body is even inflated it asks for room (gate.go): what is worked
//     on at a time is bounded, and who would wait too long is told so at once.
//   - Text is kept or not by session (one random number per session), so that
//     a reader finds a session whole or not at all; the probability is stored
//     with each event.
//   - Flags are computed in Go, session by session, and copied to ClickHouse:
//     a rule is then a pure function with a test, and the list, the totals and
//     the queues see the same flags.
//   - effective_time (A2.7) is fixed when an event is received, so that no
//     later read can move it to another day.
//   - Past days of ids have a Bloom filter each (seen.go): a new event is looked
//     up in the days that are still open, and nearly never in another.
//   - Figures (measurement.go, cost.go, signals.go) read the same rows as the
//     list: a Behind names the events of a figure, and the list chooses by the
//     same text, so that what a number links to counts as many.
//   - Percentiles come from how often each value occurred (distribution.go):
//     exact by nearest rank, with their intervals, from one small answer.
//   - Totals of days (daily.go) are counted a day at a time by a job and not by
//     a view of the engine: only days in which something landed are counted
//     again, and one whose events have begun to expire keeps what it had.
//   - Copies of one event share the sorting key, so FINAL collapses them within
//     their partition. One that comes after its id is forgotten is looked for in
//     ClickHouse before its block is written.
//
// Read event.go and ingest.go first.
package telemetry
