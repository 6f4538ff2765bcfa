// Package retention ends what people wrote: on time, or when a person asks to
// be forgotten, and proves that it ended.
//
//	policy, holds ─▶ Run ────▶ every Place: Expire ─▶ Overdue ─▶ signed proof
//	dry run ─▶ confirmed ─▶ Erase ─▶ every Place: Erase ─▶ Count ─▶ signed proof
//
// # Contract
//
// A place is one store of text, kept by the stage that fills it; this package
// knows the order, the policy and the holds, never the text. Places are asked
// in the order in which a datum travels backwards: first what was copied from
// the telemetry store, last the telemetry store itself, since that alone knows
// which sessions a person had. An interrupted run is repeated whole: every
// place bears repetition.
//
// # Decisions
//
//   - A legal hold stands above both: what it covers neither expires nor is
//     erased. An erasure of a person under a hold is refused, not half done.
//   - A session is erased whole. What the assistant answered repeats what the
//     person wrote, and so does what a tool was called with.
//   - What a person consented to stays in the consent log, as the record that
//     the rest was kept lawfully; the name their events carried becomes a hash
//     under a salt of the installation. Whoever knows the name can still ask,
//     and what was withdrawn holds for what comes later.
//   - What is counted stays: rows without text and without a person, labels,
//     verdicts, probabilities. So no rate changes when a text goes.
//   - The proof counts what is left by asking the places again, and says so;
//     a proof that found something is kept as well, and is not clean.
//   - PostgreSQL and ClickHouse give the bytes of deleted rows back later: when
//     a page is vacuumed, an old part dropped, a segment of the log removed. The
//     statement names that, because a proof must not promise more than it saw.
package retention
