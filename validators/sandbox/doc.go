// Package sandbox runs what a model wrote. It is the only place that may.
//
//	parent                                    child (this program, started again)
//	Run(ctx, Job) ── frames over pipes ──▶    setup ▶ Open ▶ limits ▶ lock-down ▶ ready ▶ job ▶ answer
//	  clock, output limit, kill the group     empty environment, no files, no sockets, no processes
//
// # Contract
//
// Run's error means infrastructure alone: no child could be had. How a job
// ended is in its Result, and an end that is not Done means that nothing is
// known about the input. What a child answers is data of a stranger.
//
// # Invariants
//
//   - A child sees no byte of a job before it is locked down, and it cannot
//     undo the lock-down: Landlock (inherited from the thread that starts
//     children) and a seccomp allow-list on every thread.
//   - The parent trusts nothing a child says: not a length, not that it reads,
//     not that it ends. Time, output and the end are the parent's.
//   - Code never shares a child. Programs of ours that read their input as data
//     (formulas, SQL) say how many jobs a child of theirs may do; a job that did
//     not end well is always a child's last.
//   - What is enforced is found out by trying to get out (selftest.go), is
//     stored with every verdict, and is called reduced when a part is missing.
//     There is no tier without a sandbox.
//
// # Decisions
//
//   - A process per job rather than a container: seven milliseconds, no root,
//     no user namespace, no control group, and it works inside an unprivileged
//     container. Starting ahead hides even those.
//
//   - Children are started from one thread that confined itself, since a Landlock
//     domain binds threads and Go cannot bind all of its own once C libraries
//     are loaded (the embedded database is one).
//
//   - RLIMIT_DATA and not RLIMIT_AS: Go, Node and WebAssembly reserve address
//     space they never use.
//
//   - Processes are refused by the filter, not counted: RLIMIT_NPROC counts all
//     of a user's threads together, so that one child could starve the others.
//
//   - Programs of the machine (strong.go) run where an operator turned that on,
//     in namespaces that bubblewrap makes around the same child: they start
//     processes and open files, so that the filter alone would not hold them.
//     Nothing there can be written, which leaves no disk or inodes to fill; the
//     memory of all their processes is added up, since limits are for one.
//
//   - Tools of ours that read a job as data (a compiler) need no namespaces: the
//     child may start those executables and write into one folder, and no code of
//     the job runs in it.
//
// Read sandbox.go and child.go first.
package sandbox
