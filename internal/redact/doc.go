// Package redact replaces personal data and secrets by tokens before anything
// is stored. It is pure: text in, text and findings out.
//
// # Promise
//
// Structured data, that is e-mail addresses, telephone numbers, IP addresses,
// payment cards, IBANs, social security numbers, credentials in URLs, API
// keys, web tokens, PEM blocks, file paths and order ids, is found with the
// recall and precision that recall_test.go measures. Names of people and
// street addresses have no form that a pattern could know; they are not
// promised, and text that must not be read at all belongs into the vault.
//
// Redacting is deterministic, and redacting twice changes nothing: tokens are
// opaque, and a line is read again until nothing more is found in it. What
// runs over lines is only the PEM block; everything else ends with its line,
// so a text may arrive in pieces (Stream) and give the same.
//
// # Decisions
//
// One pass with a table of byte classes, then a closer look at the few bytes
// that can begin something: a table of regular expressions reads the text
// once for each of them, at a few megabytes a second.
//
// A disguised line (zero-width characters, full-width digits, entities,
// percent-encoding, \u escapes) is read a second time as it would be shown,
// and what is found is mapped back. Both readings count: a decoded path may
// be shorter than the encoded one.
//
// Where findings overlap the stronger kind stays (Kinds): what contains
// stands above what it may contain, and a check digit above a mere shape.
//
// Read text.go first, then scan.go.
package redact
