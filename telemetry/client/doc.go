// Package client is the reference client for sending events: what assay load
// uses, and what a client in another language should do.
//
// Events are gathered into batches (50, or what came within 5 seconds), sent
// gzipped as one JSON object a line, and sent again after 200, 400, 800, 1600
// and 3200 ms when that fails, or later when the answer says so. What could
// not be sent goes to a directory on disk and is sent when the product answers
// again. A batch keeps its event ids however often it is sent, so that nothing
// counts twice.
//
// Before anything leaves, a raw user id becomes a salted hash and an empty one
// nothing at all, since the hash of nobody would be one very busy person.
package client
