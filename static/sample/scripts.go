package sample

import (
	"fmt"
	"strings"
	"time"
)

// Commitments is the script of a validator that the sample's engineer wrote:
// what a summary commits to has to stand in what was summarised. The second
// version knows more ways to commit to something.
func Commitments(version int) string {
	claims := []string{"was approved"}
	if version > 1 {
		claims = append(claims, "renews itself", "a deployment error")
	}
	return fmt.Sprintf(`// What a summary commits to has to stand in what was summarised.
const claims = ["%s"]

function check(r) {
  const said = r.response.toLowerCase()
  const given = (r.context ?? []).join(" ").toLowerCase()
  const found = claims.filter((claim) => said.includes(claim) && !given.includes(claim))
  if (found.length > 0) {
    return {verdict: "fail", reason: "unsupported_commitment", message: "It says “" + found[0] + "”, and nothing given to it does.", evidence: {claims: found}}
  }
  return {verdict: "pass", reason: "no_new_commitment", message: "It commits to nothing that was not given to it."}
}
`, strings.Join(claims, `", "`))
}

// CommitmentCanaries are its canaries, as JSON.
const CommitmentCanaries = `[
  {"name": "an approval nobody gave", "want": "fail", "response": "The move was approved.", "context": ["The move was discussed, no decision."]},
  {"name": "an approval in the notes", "want": "pass", "response": "The move was approved.", "context": ["The move was approved on Monday."]},
  {"name": "nothing but the notes", "want": "pass", "response": "Osei sends the plan by Monday.", "context": ["Osei to send the plan by Monday."]}
]`

// CarrierList is the script of a validator whose list is good until then: after
// that it says so, and its canaries notice.
func CarrierList(until time.Time) string {
	return fmt.Sprintf(`// The carriers we ship with. The list has to be renewed by operations.
const carriers = ["fastship", "northline", "postal service"]
const goodUntil = %d

function check(r) {
  if (Date.now() > goodUntil) {
    return {verdict: "inconclusive", reason: "list_ran_out", message: "The list of carriers has run out."}
  }
  const named = /shipped with ([a-z ]+)/i.exec(r.response)
  if (named && !carriers.includes(named[1].trim().toLowerCase())) {
    return {verdict: "fail", reason: "unknown_carrier", message: "It names a carrier that we do not ship with."}
  }
  return {verdict: "pass", reason: "known_carriers", message: "It names no carrier that we do not ship with."}
}
`, until.UnixMilli())
}

// CarrierCanaries are its canaries, as JSON.
const CarrierCanaries = `[
  {"name": "a carrier of ours", "want": "pass", "response": "It was shipped with Northline"},
  {"name": "an invented carrier", "want": "fail", "response": "It was shipped with Comet Express"}
]`
