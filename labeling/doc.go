// Package labeling brings flagged responses before people and keeps what they
// say of them, so that harm is found first and every rate stays measurable.
//
//	telemetry.Flag ─▶ Consider ─▶ decision (every response) ─▶ item (the selected)
//	                                                             │ Reserve: one statement
//	                                                             ▼
//	       Sample ◀─ consensus ◀─ label, audit entry, job ◀── reservation
//	         │           │
//	         ▼           └─▶ outbox ─▶ CopyLabels ─▶ labeled_responses
//	       eval
//
// # Contract
//
// A response is in a queue once. An item is held by at most as many labelers
// as it wants, never twice by the same, and each holds it under a token that
// ends with the lease. A label counts once however often it is sent; what
// comes too late is kept as a draft. Labels are revisions: nothing said is
// overwritten, an undo is a revision too.
//
// # Invariants
//
//   - The database holds them: items_never_taken_too_often (kept by the trigger
//     reservations_count), reservations_one_per_labeler, the grants that leave
//     the program no UPDATE or DELETE on labels, decisions, guides.
//   - A reservation stays with its item, labeler, token and purpose, and only its
//     end gives a place back (reservations_stay, items_places_stay); that of an
//     import comes back with its label (labels_give_back). Whoever may
//     label no more holds nothing, however that came about (labeler_leaves).
//   - Who has labeled an item, or knows what others said of it, is given it no more.
//   - Within a stratum and day people meet responses in the order of a random
//     number (u) that nothing else knows. Which stratum comes next is free; so
//     priorities bend no rate. The labeled with u below tau, the smallest u
//     that nobody has touched, are a simple random sample (order.go, sample.go).
//   - Nothing that a label says decides what is read next within a stratum.
//   - What a rule takes is a part of each stratum, with caps, u and tau of its
//     own (rule.go). Conditions see nothing that a label says.
//   - Locks are taken in one order: reservation, then item.
//
// # Decisions
//
//   - A stratum is task class and priority class, a frame the UTC day of the
//     response. Model version is a domain, so that no queue need name it.
//   - The direction between strata is drawn per reservation: the measurement
//     share goes where Wright's index points, the rest in the order of harm. A
//     counter per queue would make labelers wait for one another.
//   - Items are put to people by one index over what nobody has touched. What
//     wants another labeler has an index of its own, since only there a search
//     has to ask who had it before.
//   - Leased, put off or skipped is nonresponse, not a new threshold: one
//     person's pause must not turn everyone's labels into surplus.
//   - A response goes to the first rule whose conditions it meets, and the rest
//     to the rule without a name: parts of a stratum never overlap, so that
//     their probabilities need no joining.
//   - What a person puts first, last or into somebody's hands keeps its u.
//     Labels beyond an item that was put last are surplus until it is labeled;
//     nothing is biased, some work counts later.
//   - Serving by size (impact times uncertainty) is for discovery queues alone;
//     their labels reach no rate. Uncertainty is that of the response: what
//     validators say of it, as far as labels have borne it out (worth.go). A
//     later verdict or flag moves what nobody has touched.
//   - Where a rate spikes or an incident is open, caps and shares of the class
//     rise (raise.go). A day keeps the largest factor it had: a raise takes in
//     what had been left out, a fall begins with the next day, and so no
//     stratum is cut in two.
//   - The measuring share of Start goes where a label brings an open question
//     nearest to its answer (need.go). Within a queue it follows Wright's index
//     over the classes, and not over model versions too: within a stratum
//     nothing but u may decide what is read next.
//   - An act on many items is taken back where an item is still as the act left
//     it, and no further: what a label or another act did since stands.
//   - An imported label makes its response a census of itself: who chose it and
//     why is not known here, so it stands for nothing else.
//   - An import is seen before it writes: a check says what each answer of the
//     file becomes, who gave it and what is refused, and a person agrees
//     (import_job.go). Blocks move the import in the transaction that writes
//     their labels, so that one which was killed goes on and doubles nothing.
//     It is taken back by revisions, and its responses go back into the sample
//     they were drawn from (import_withdraw.go).
//   - A second reading never moves the consensus by itself. Where labelers
//     differ the first reading stands until a reviewer has decided, since a
//     mixture of checked and unchecked labels would bias a rate.
//   - Second readings are the second phase of the sample: a share drawn before
//     anybody read, and every "hallucinated", each with the probability it had
//     when its first label was known (overlap.go). A reading that came another
//     way counts for the consensus and for no rate.
//   - What the labeling page says is one batch (desk.go). The numbers beside an
//     item are counted every few seconds and moved by each label in between: a
//     count over a million items may cost no labeler a wait, and a rail that
//     stands still would look broken.
//   - A label is two round trips, one that locks and reads and one that writes
//     and commits (postgres.InOftenTx), and no column that moves with each label
//     is in an index it need not be in: what a label costs is how many people
//     one machine serves.
//   - Who reads what others said of an item is kept (labels_read). They may
//     still change their label, and it says so in its provenance.
//   - What a first reader changes after that moves the consensus and not the
//     first phase: what was drawn by a label was drawn by the one before.
//   - Whether a labeler's answers changed is asked of what others said of the like
//     in the same week: the mix of the work changes all the time (change.go).
//     Signals bring more gold and second readings, and never leave a label out.
//   - Labels are left out by a person's decision, a version each time, and only up
//     to when it was decided. Their items are nonresponse until others have read
//     them: giving them back as untouched would turn everyone's labels into
//     surplus (exclusion.go).
//   - A third labeler is called for two readings that differ by a step, and for
//     two that agree while the model of Dawid and Skene gives their label less
//     than 95 %; correct against hallucinated goes to a reviewer at once.
//
// Read order.go first, then reservation.go, label.go and sample.go.
package labeling
