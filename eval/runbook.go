package eval

// Runbook is what to do about an alert, in order.
type Runbook struct {
	Name  string // "latency", in addresses
	Title string
	Steps []string
}

// The runbooks that ship with the product. Every invariant has one; the
// privacy runbook is for findings of people, since no trace field shows one.
var (
	hallucinationRunbook = Runbook{"hallucination", "Unsafe or hallucinated serves", []string{
		"Pause the rollout of the failing template or model version.",
		"Raise human sampling for the task class until the incident is resolved.",
		"Collect the session traces of the window.",
		"Run the validators against sampled outputs of the window.",
	}}
	latencyRunbook = Runbook{"latency", "Latency spike", []string{
		"Check whether a model version is being rolled out.",
		"Check CPU and GPU saturation.",
		"Check network errors.",
		"Check what changed in local processing before and after the model.",
		"Roll the model back, or throttle features.",
	}}
	costRunbook = Runbook{"cost", "Cost above budget", []string{
		"Compare tokens per request with the week before, by template.",
		"Check that the rate card is the one in force.",
		"Look for retries and for tool calls that repeat.",
		"Roll the template back, or throttle features.",
	}}
	privacyRunbook = Runbook{"privacy", "Privacy or permission", []string{
		"Revoke the recent changes that granted permissions.",
		"Inform legal and compliance.",
		"Open an incident review.",
	}}
)

// Runbooks lists them all.
func Runbooks() []Runbook {
	return []Runbook{hallucinationRunbook, latencyRunbook, costRunbook, privacyRunbook}
}

// RunbookOf is what to do when the invariant is broken.
func RunbookOf(i Invariant) Runbook {
	switch i {
	case P95TTFT:
		return latencyRunbook
	case WindowCost:
		return costRunbook
	}
	return hallucinationRunbook
}
